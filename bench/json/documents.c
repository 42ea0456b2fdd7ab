/* documents.c - see documents.h. */
#include "documents.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint32_t seed;

static uint32_t dice(uint32_t sides)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)seed * sides) >> 32);
}

static void begin(void)
{
    seed = 12345;
}

static void put(pk_buf *out, const char *text)
{
    pk_buf_add(out, pk_str_from(text));
}

/* ---- tweets */

static const char *const texts[] = {
    "Three hours on the train and the only thing that moved was the queue for coffee. \\\"Soon\\\", they said.\\n",
    "@ada_of_the_hills \xe6\x98\x8e\xe6\x97\xa5\xe3\x81\xae\xe4\xbc\x9a\xe8\xad\xb0\xe3\x81\xaf\xe5\x8d\x88\xe5\xbe\x8c"
    "\xe4\xb8\x89\xe6\x99\x82\xe3\x81\x8b\xe3\x82\x89\xe3\x81\xa7\xe3\x81\x99\xe3\x80\x82\xe8\xb3\x87\xe6\x96\x99\xe3"
    "\x82\x92\xe8\xaa\xad\xe3\x82\x93\xe3\x81\xa7\xe3\x81\x8a\xe3\x81\x84\xe3\x81\xa6\xe3\x81\x8f\xe3\x81\xa0\xe3\x81"
    "\x95\xe3\x81\x84\xe3\x80\x82\\n\\n\xe3\x81\x82\xe3\x82\x8a\xe3\x81\x8c\xe3\x81\xa8\xe3\x81\x86",
    "Gr\xc3\xbc\xc3\x9f" "e aus K\xc3\xb6ln! Sch\xc3\xb6nes Wetter, sch\xc3\xb6ne Stra\xc3\x9f" "en: a\\/b\\\\c",
    "release notes: faster start, smaller memory, and the log no longer eats your newlines http:\\/\\/t.example\\/q7",
    "\xf0\x9f\x98\x80 who needs sleep \xf0\x9f\x9a\x80 when there is a keyboard, a window, and rain",
    "RT @nobody: \xe3\x81\xaa\xe3\x82\x93\xe3\x81\xa7\xe3\x82\x82\xe3\x81\xaa\xe3\x81\x84\xe6\x97\xa5\xe3\x80\x82",
};

static const char *some_text(void)
{
    return texts[dice(sizeof(texts) / sizeof(*texts))];
}

static void put_user(pk_buf *out)
{
    static const char *const names[] = {"ada_of_the_hills", "bertrand", "\xe5\xb1\xb1\xe7\x94\xb0", "c_sharp_minor"};
    unsigned id = dice(2000000000);
    pk_buf_printf(out, "{\"id\":%u,\"id_str\":\"%u\",\"name\":\"%s\",\"screen_name\":\"user%u\",\"location\":\"%s\",",
                  id, id, names[dice(4)], dice(100000), dice(2) ? "" : "Z\xc3\xbcrich");
    pk_buf_printf(out, "\"description\":\"%s\",\"url\":null,\"protected\":false,\"followers_count\":%u,", some_text(),
                  dice(90000));
    pk_buf_printf(out, "\"friends_count\":%u,\"listed_count\":%u,\"created_at\":\"Sun Aug 31 00:29:15 +0000 2014\",",
                  dice(5000), dice(9));
    pk_buf_printf(out, "\"favourites_count\":%u,\"utc_offset\":%s,\"time_zone\":%s,\"geo_enabled\":%s,", dice(3000),
                  dice(2) ? "null" : "32400", dice(2) ? "null" : "\"Tokyo\"", dice(2) ? "true" : "false");
    put(out, "\"verified\":false,\"statuses_count\":1234,\"lang\":\"ja\",\"contributors_enabled\":false,");
    pk_buf_printf(out, "\"profile_background_color\":\"C0DEED\",\"profile_image_url\":\"http:\\/\\/img.example\\/p\\/"
                       "%u."
                       "png\",\"default_profile\":true,\"following\":false}", dice(1000000000));
}

static void put_tweet(pk_buf *out)
{
    unsigned long long id = 505874900000000000u + dice(1000000000);
    pk_buf_printf(out, "{\"metadata\":{\"result_type\":\"recent\",\"iso_language_code\":\"ja\"},"
                       "\"created_at\":\"Sun Aug 31 00:29:15 +0000 2014\",\"id\":%llu,\"id_str\":\"%llu\",", id, id);
    pk_buf_printf(out, "\"text\":\"%s\",\"source\":\"<a href=\\\"http:\\/\\/client.example\\\" rel=\\\"nofollow\\\">"
                       "Client<\\/a>\",\"truncated\":false,\"in_reply_to_status_id\":null,\"user\":", some_text());
    put_user(out);
    put(out, ",\"geo\":null,\"coordinates\":null,\"place\":null,\"contributors\":null,");
    pk_buf_printf(out, "\"retweet_count\":%u,\"favorite_count\":%u,\"entities\":{\"hashtags\":[],\"symbols\":[],",
     dice(500),
                  dice(50));
    put(out, "\"urls\":[");
    if (dice(2)) {
        pk_buf_printf(out, "{\"url\":\"http:\\/\\/t.example\\/%08x\",\"display_url\":\"news.example\",\"indices\":",
                      dice(4000000000u));
        pk_buf_printf(out, "[%u,%u]}", dice(60), 60 + dice(60));
    }
    put(out, "],\"user_mentions\":[]},\"favorited\":false,\"retweeted\":false,\"lang\":\"ja\"}");
}

void document_tweets(pk_buf *out)
{
    begin();
    put(out, "{\"statuses\":[");
    for (bool first = true; out->len < DOCUMENT_BYTES; first = false) {
        put(out, first ? "" : ",");
        put_tweet(out);
    }
    put(out, "],\"search_metadata\":{\"completed_in\":0.087,\"count\":100,\"since_id\":0}}");
}

/* ---- map */

/* Six decimals of a degree, and what arithmetic has left behind them. */
static void put_degree(pk_buf *out, double base)
{
    char text[40];
    double degree = base + dice(9000000) / 1e6;
    for (uint32_t i = dice(24); i > 0; i--) {
        degree = nextafter(degree, 200);
    }
    int len = snprintf(text, sizeof(text), "%.15f", degree);
    while (text[len - 1] == '0') {
        len--;
    }
    pk_buf_add(out, (pk_str){text, (size_t)len});
}

void document_map(pk_buf *out)
{
    begin();
    put(out, "{\"type\":\"FeatureCollection\",\"features\":[{\"type\":\"Feature\",\"properties\":{\"name\":\"Outline"
             "\"},"
             "\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[");
    for (bool first = true; out->len < DOCUMENT_BYTES; first = false) {
        put(out, first ? "[" : ",[");
        for (uint32_t i = 0, n = 8 + dice(120); i < n; i++) {
            put(out, i ? ",[" : "[");
            put_degree(out, -141);
            put(out, ",");
            put_degree(out, 42);
            put(out, "]");
        }
        put(out, "]");
    }
    put(out, "]}}]}");
}

/* ---- catalogue */

static void put_event(pk_buf *out, unsigned id)
{
    static const char *const names[] = {"30th Anniversary Tour", "Symphonie n\xc2\xb0 5", "Messe in h-Moll",
                                        "Berliner Philharmoniker"};
    pk_buf_printf(out, "\"%u\":{\"description\":null,\"id\":%u,\"logo\":%s,\"name\":\"%s\",\"subTopicIds\":[337184269,"
                       "3371842%02u],\"subjectCode\":null,\"subtitle\":null,\"topicIds\":[324846099,107888604]}", id,
                           id,
                  dice(2) ? "null" : "\"/images/UE0AAAAACEKo6QAAAAZDSVRN\"", names[dice(4)], dice(100));
}

static void put_performance(pk_buf *out, unsigned id)
{
    pk_buf_printf(out, "{\"eventId\":%u,\"id\":%u,\"logo\":null,\"name\":null,\"prices\":[", 138586341 + dice(100000),
                  id);
    for (uint32_t i = 0, n = 1 + dice(4); i < n; i++) {
        pk_buf_printf(out, "%s{\"amount\":%u,\"audienceSubCategoryId\":337100890,\"seatCategoryId\":338937%03u}",
                      i ? "," : "", 10250 + 500 * dice(400), dice(1000));
    }
    put(out, "],\"seatCategories\":[");
    for (uint32_t i = 0, n = 1 + dice(3); i < n; i++) {
        pk_buf_printf(out, "%s{\"areas\":[", i ? "," : "");
        for (uint32_t k = 0, m = 1 + dice(8); k < m; k++) {
            pk_buf_printf(out, "%s{\"areaId\":205705%03u,\"blockIds\":[]}", k ? "," : "", dice(1000));
        }
        pk_buf_printf(out, "],\"seatCategoryId\":338937%03u}", dice(1000));
    }
    pk_buf_printf(out, "],\"seatMapImage\":null,\"start\":13727016%05u,\"venueCode\":\"PLEYEL_PLEYEL\"}", dice(100000));
}

void document_catalogue(pk_buf *out)
{
    begin();
    put(out, "{\"areaNames\":{\"205705993\":\"Arri\xc3\xa8re-sc\xc3\xa8ne central\",\"205705994\":\"1er balcon centra"
             "l\""
             "},\"events\":{");
    for (unsigned i = 0; out->len < DOCUMENT_BYTES / 8; i++) {
        put(out, i ? "," : "");
        put_event(out, 138586341 + i);
    }
    put(out, "},\"performances\":[");
    for (unsigned i = 0; out->len < DOCUMENT_BYTES; i++) {
        put(out, i ? "," : "");
        put_performance(out, 339887544 + i);
    }
    put(out, "],\"venueNames\":{\"PLEYEL_PLEYEL\":\"Salle Pleyel\"}}");
}
