/* analytics.h - counts about a text: how many lines, words, characters, and which of them how often.
 *
 *     analytics a;
 *     analyze_request request = {.data = text, .has_top = true, .top = 5};
 *     analyze_response response = {0};
 *     rc = analytics_bind(&a, pk_manager_caller(m), PK_STR("text"), &err);
 *     rc = a.analyze(&a, NULL, &request, &response, &err);
 *     for (i = 0; i < response.characters.count; i++) ...          // the most frequent first
 *     pk_mem_free(&response.mem);
 *
 * analyze   counts. A line ends with a newline, or with the end of the text; a word is what stands between blanks; a
 *           character is a Unicode code point, and bytes that are not UTF-8 are counted apart, in `malformed`.
 *           `longest_line` is measured in characters.
 *           `characters` is the histogram, at most `top` entries (10 if left out), the most frequent first, equal
 *           ones in the order of their code points.
 *
 * Wire messages: analytics.schema.json; in JSON, data travels as base64. Include plugkit.h or plugkit_sdk.h first. */
#ifndef PLUGKIT_ANALYTICS_H
#define PLUGKIT_ANALYTICS_H

#ifndef PK_VERSION
#error "include plugkit.h or plugkit_sdk.h before analytics.h"
#endif

#define ANALYZE_REQUEST(F, T)                                                                                 \
    F(T, REQ, pk_b64, data, "data")                                                                           \
    F(T, OPT, uint32_t, top, "top")
PK_MESSAGE(analyze_request, ANALYZE_REQUEST)
#undef ANALYZE_REQUEST

#define CHARACTER_COUNT(F, T)                                                                                 \
    F(T, REQ, pk_str, character, "character")                                                                 \
    F(T, REQ, uint64_t, count, "count")
PK_STRUCT(character_count, CHARACTER_COUNT)
#undef CHARACTER_COUNT

#define ANALYZE_RESPONSE(F, T)                                                                                \
    F(T, REQ, uint64_t, bytes, "bytes")                                                                       \
    F(T, REQ, uint64_t, chars, "chars")                                                                       \
    F(T, REQ, uint64_t, words, "words")                                                                       \
    F(T, REQ, uint64_t, lines, "lines")                                                                       \
    F(T, REQ, uint64_t, longest_line, "longestLine")                                                          \
    F(T, REQ, uint64_t, malformed, "malformed")                                                               \
    F(T, LIST, character_count, characters, "characters")
PK_MESSAGE(analyze_response, ANALYZE_RESPONSE)
#undef ANALYZE_RESPONSE

#define ANALYTICS(M, C) M(C, analyze, "POST /analyze", analyze_request, analyze_response, PK_IDEMPOTENT)
PK_CONTRACT(analytics, "analytics", "1.0.0", ANALYTICS)
#undef ANALYTICS

#endif
