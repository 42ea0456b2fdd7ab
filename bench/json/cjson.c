/* cjson.c - see peers.h. */
#include "peers.h"

#ifdef HAVE_CJSON
#include <cJSON.h>
#include <string.h>

static bool message_read(const char *text, size_t len, peer_message *out)
{
    cJSON *root = cJSON_ParseWithLength(text, len), *item;
    if (!root) {
        return false;
    }
    out->id = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(root, "id"));
    out->ok = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(root, "ok"));
    out->score = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(root, "score"));
    out->size_count = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(root, "sizes")) {
        if (out->size_count < 8) {
            out->sizes[out->size_count++] = item->valueint;
        }
    }
    const char *string = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "text"));
    out->text_len = strlen(string);
    if (out->text_len < sizeof(out->text)) {
        memcpy(out->text, string, out->text_len);
    }
    cJSON_Delete(root);
    return true;
}

static size_t print(const cJSON *root, char *out, size_t cap)
{
    char *text = cJSON_PrintUnformatted(root);
    size_t len = text ? strlen(text) : 0;
    if (cap) {
        memcpy(out, text, len < cap ? len : cap);
    }
    cJSON_free(text);
    return len;
}

static size_t message_print(const peer_message *in, char *out, size_t cap)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "id", (double)in->id);
    cJSON_AddBoolToObject(root, "ok", in->ok);
    cJSON_AddNumberToObject(root, "score", in->score);
    cJSON_AddItemToObject(root, "sizes", cJSON_CreateIntArray(in->sizes, (int)in->size_count));
    cJSON_AddStringToObject(root, "text", in->text);
    size_t len = print(root, out, cap);
    cJSON_Delete(root);
    return len;
}

static void *document_parse(const char *text, size_t len)
{
    return cJSON_ParseWithLength(text, len);
}

static size_t document_write(void *document, char *out, size_t cap)
{
    return print((const cJSON *)document, out, cap);
}

static void document_free(void *document)
{
    cJSON_Delete((cJSON *)document);
}

const peer peer_cjson = {"cJSON", message_read, message_print, document_parse, document_write, document_free, NULL};
#else
const peer peer_cjson = {"cJSON", NULL, NULL, NULL, NULL, NULL, NULL};
#endif
