/* jansson.c - see peers.h. */
#include "peers.h"

#ifdef HAVE_JANSSON
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static bool message_read(const char *text, size_t len, peer_message *out)
{
    json_t *root = json_loadb(text, len, 0, NULL), *item;
    size_t index;
    if (!root) {
        return false;
    }
    out->id = json_integer_value(json_object_get(root, "id"));
    out->ok = json_is_true(json_object_get(root, "ok"));
    out->score = json_number_value(json_object_get(root, "score"));
    out->size_count = 0;
    json_array_foreach(json_object_get(root, "sizes"), index, item) {
        if (out->size_count < 8) {
            out->sizes[out->size_count++] = (int32_t)json_integer_value(item);
        }
    }
    const json_t *string = json_object_get(root, "text");
    out->text_len = json_string_length(string);
    if (out->text_len < sizeof(out->text)) {
        memcpy(out->text, json_string_value(string), out->text_len);
    }
    json_decref(root);
    return true;
}

static size_t print(const json_t *root, char *out, size_t cap)
{
    char *text = json_dumps(root, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    if (cap) {
        memcpy(out, text, len < cap ? len : cap);
    }
    free(text);
    return len;
}

static size_t message_print(const peer_message *in, char *out, size_t cap)
{
    json_t *root = json_object(), *sizes = json_array();
    json_object_set_new_nocheck(root, "id", json_integer(in->id));
    json_object_set_new_nocheck(root, "ok", json_boolean(in->ok));
    json_object_set_new_nocheck(root, "score", json_real(in->score));
    for (size_t i = 0; i < in->size_count; i++) {
        json_array_append_new(sizes, json_integer(in->sizes[i]));
    }
    json_object_set_new_nocheck(root, "sizes", sizes);
    json_object_set_new_nocheck(root, "text", json_stringn(in->text, in->text_len));
    size_t len = print(root, out, cap);
    json_decref(root);
    return len;
}

static void *document_parse(const char *text, size_t len)
{
    return json_loadb(text, len, 0, NULL);
}

static size_t document_write(void *document, char *out, size_t cap)
{
    return print((const json_t *)document, out, cap);
}

static void document_free(void *document)
{
    json_decref((json_t *)document);
}

const peer peer_jansson = {"jansson",      message_read,  message_print, document_parse,
                           document_write, document_free, NULL};
#else
const peer peer_jansson = {"jansson", NULL, NULL, NULL, NULL, NULL, NULL};
#endif
