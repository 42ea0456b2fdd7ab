/* jsonc.c - see peers.h. */
#include "peers.h"

#ifdef HAVE_JSONC
#include <json.h>
#include <string.h>

static struct json_object *parse(const char *text, size_t len)
{
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *root = json_tokener_parse_ex(tokener, text, (int)len);
    json_tokener_free(tokener);
    return root;
}

static bool message_read(const char *text, size_t len, peer_message *out)
{
    struct json_object *root = parse(text, len);
    if (!root) {
        return false;
    }
    out->id = json_object_get_int64(json_object_object_get(root, "id"));
    out->ok = json_object_get_boolean(json_object_object_get(root, "ok"));
    out->score = json_object_get_double(json_object_object_get(root, "score"));
    struct json_object *sizes = json_object_object_get(root, "sizes"), *string = json_object_object_get(root, "text");
    out->size_count = json_object_array_length(sizes);
    for (size_t i = 0; i < out->size_count && i < 8; i++) {
        out->sizes[i] = json_object_get_int(json_object_array_get_idx(sizes, i));
    }
    out->text_len = (size_t)json_object_get_string_len(string);
    if (out->text_len < sizeof(out->text)) {
        memcpy(out->text, json_object_get_string(string), out->text_len);
    }
    json_object_put(root);
    return true;
}

static size_t print(struct json_object *root, char *out, size_t cap)
{
    size_t len = 0;
    const char *text = json_object_to_json_string_length(root, JSON_C_TO_STRING_PLAIN, &len);
    if (cap) {
        memcpy(out, text, len < cap ? len : cap);
    }
    return len;
}

static size_t message_print(const peer_message *in, char *out, size_t cap)
{
    struct json_object *root = json_object_new_object(), *sizes = json_object_new_array_ext((int)in->size_count);
    json_object_object_add(root, "id", json_object_new_int64(in->id));
    json_object_object_add(root, "ok", json_object_new_boolean(in->ok));
    json_object_object_add(root, "score", json_object_new_double(in->score));
    for (size_t i = 0; i < in->size_count; i++) {
        json_object_array_add(sizes, json_object_new_int(in->sizes[i]));
    }
    json_object_object_add(root, "sizes", sizes);
    json_object_object_add(root, "text", json_object_new_string_len(in->text, (int)in->text_len));
    size_t len = print(root, out, cap);
    json_object_put(root);
    return len;
}

static void *document_parse(const char *text, size_t len)
{
    return parse(text, len);
}

static size_t document_write(void *document, char *out, size_t cap)
{
    return print((struct json_object *)document, out, cap);
}

static void document_free(void *document)
{
    json_object_put((struct json_object *)document);
}

const peer peer_jsonc = {"json-c", message_read, message_print, document_parse, document_write, document_free, NULL};
#else
const peer peer_jsonc = {"json-c", NULL, NULL, NULL, NULL, NULL, NULL};
#endif
