/* yyjson.c - see peers.h. */
#include "peers.h"

#ifdef HAVE_YYJSON
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

static bool message_read(const char *text, size_t len, peer_message *out)
{
    char room[4096]; // its manual: a pool on the stack is the fastest for small ones
    yyjson_alc alc;
    yyjson_arr_iter iter;
    yyjson_alc_pool_init(&alc, room, sizeof(room));
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, len, 0, &alc, NULL);
    if (!doc) {
        return false;
    }
    yyjson_val *root = yyjson_doc_get_root(doc), *item, *string = yyjson_obj_get(root, "text");
    out->id = yyjson_get_sint(yyjson_obj_get(root, "id"));
    out->ok = yyjson_get_bool(yyjson_obj_get(root, "ok"));
    out->score = yyjson_get_num(yyjson_obj_get(root, "score"));
    out->size_count = 0;
    yyjson_arr_iter_init(yyjson_obj_get(root, "sizes"), &iter);
    while ((item = yyjson_arr_iter_next(&iter)) && out->size_count < 8) {
        out->sizes[out->size_count++] = (int32_t)yyjson_get_int(item);
    }
    out->text_len = yyjson_get_len(string);
    if (out->text_len < sizeof(out->text)) {
        memcpy(out->text, yyjson_get_str(string), out->text_len);
    }
    yyjson_doc_free(doc);
    return true;
}

static size_t message_print(const peer_message *in, char *out, size_t cap)
{
    char room[8192];
    size_t len = 0;
    yyjson_alc alc;
    yyjson_alc_pool_init(&alc, room, sizeof(room));
    yyjson_mut_doc *doc = yyjson_mut_doc_new(&alc);
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_sint(doc, root, "id", in->id);
    yyjson_mut_obj_add_bool(doc, root, "ok", in->ok);
    yyjson_mut_obj_add_real(doc, root, "score", in->score);
    yyjson_mut_obj_add_val(doc, root, "sizes", yyjson_mut_arr_with_sint32(doc, in->sizes, in->size_count));
    yyjson_mut_obj_add_strn(doc, root, "text", in->text, in->text_len);
    char *text = yyjson_mut_write_opts(doc, 0, &alc, &len, NULL);
    if (text && cap) {
        memcpy(out, text, len < cap ? len : cap);
    }
    yyjson_mut_doc_free(doc);
    return text ? len : 0;
}

static void *document_parse(const char *text, size_t len)
{
    return yyjson_read(text, len, 0);
}

static size_t document_write(void *document, char *out, size_t cap)
{
    size_t len = 0;
    char *text = yyjson_write((yyjson_doc *)document, 0, &len);
    if (text && cap) {
        memcpy(out, text, len < cap ? len : cap);
    }
    free(text);
    return text ? len : 0;
}

static void document_free(void *document)
{
    yyjson_doc_free((yyjson_doc *)document);
}

/* ---- how much memory a document takes */

static void *counted_malloc(void *ctx, size_t size)
{
    *(size_t *)ctx += size;
    return malloc(size);
}

static void *counted_realloc(void *ctx, void *ptr, size_t old_size, size_t size)
{
    *(size_t *)ctx += size - old_size;
    return realloc(ptr, size);
}

static void counted_free(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

static size_t document_memory(const char *text, size_t len)
{
    size_t taken = 0, at_end;
    yyjson_alc alc = {counted_malloc, counted_realloc, counted_free, &taken};
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text, len, 0, &alc, NULL);
    at_end = taken;
    yyjson_doc_free(doc);
    return at_end;
}

const peer peer_yyjson = {"yyjson",       message_read,  message_print, document_parse,
                          document_write, document_free, document_memory};
#else
const peer peer_yyjson = {"yyjson", NULL, NULL, NULL, NULL, NULL, NULL};
#endif
