/* json_quote.h - the JSON writer's way into its buffer, and strings with their quotes.
 *
 * What is written has a known length mostly, and goes into the buffer with more room behind it than it needs, so that
 * whole words can be stored where a few bytes are meant. Where the limit of the buffer does not allow that, and in
 * small builds, the careful functions take no more room than they fill. */
#ifndef PK__JSON_QUOTE_H
#define PK__JSON_QUOTE_H
#include <string.h>

#include "../base/defs.h"
#include "json_write.h"
#include "number.h"
#include "swar.h"
#include "wide.h"

PK__LOCAL bool pk__json_fail(pk_json_writer *w, pk__json_fault fault)
{
    if (!w->failed) {
        w->failed = (int)fault;
    }
    return false;
}

/* Where the next `count` bytes go, or NULL: after the first failure nothing is written any more. */
PK__HOT char *pk__json_room(pk_json_writer *w, size_t count)
{
    pk_buf *buf = w->buf;
    if (w->failed) {
        return NULL;
    }
    if (count > buf->cap - buf->len && !pk_buf_reserve(buf, count)) {
        (void)pk__json_fail(w, PK__JSON_BUFFER);
        return NULL;
    }
    return buf->ptr + buf->len;
}

PK__HOT void pk__json_char(pk_json_writer *w, char c)
{
    char *out = pk__json_room(w, 1);
    if (out) {
        *out = c;
        w->buf->len++;
    }
}

/* A string with its quotes, and `behind` it one byte more if that is not NUL. What is no UTF-8 is a mistake. */
PK__FN void pk__json_quoted_careful(pk_json_writer *w, pk_str s, char behind);
#if PK__SMALL
PK__LOCAL void pk__json_quoted(pk_json_writer *w, pk_str s, char behind)
{
    pk__json_quoted_careful(w, s, behind);
}
#else
enum { PK__JSON_SLACK = 2 * PK__NUMBER_CAP }; // more than anything here writes beyond its end

/* Room for `count` bytes and the slack, or NULL: then somebody careful has to say whether it fits. */
PK__HOT char *pk__json_slack(pk_json_writer *w, size_t count)
{
    pk_buf *buf = w->buf;
    size_t need = count + PK__JSON_SLACK;
    if (w->failed || need < count) {
        return NULL;
    }
    if (need > buf->cap - buf->len) {
        if (need > buf->max - buf->len) {
            return NULL;
        }
        if (!pk_buf_reserve(buf, need)) {
            buf->failed = 0; // this is no failure yet
            return NULL;
        }
    }
    return buf->ptr + buf->len;
}

PK__HOT uint32_t pk__json_load4(const char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Copies up to 15 bytes, a few too many among them; false: one of them cannot stay as it is. */
PK__HOT bool pk__json_copy_short(char *out, const char *p, size_t len, bool is_utf8)
{
    uint64_t first, last;
    if (len >= 8) {
        first = pk__swar_load(p);
        last = pk__swar_load(p + len - 8);
        pk__swar_store(out, first);
        pk__swar_store(out + len - 8, last);
    } else if (len >= 4) {
        uint32_t low = pk__json_load4(p), high = pk__json_load4(p + len - 4);
        memcpy(out, &low, sizeof(low));
        memcpy(out + len - 4, &high, sizeof(high));
        first = last = low | (uint64_t)high << 32; // in whatever order: only whether, not where
    } else if (len > 0) {
        out[0] = p[0];
        out[len / 2] = p[len / 2];
        out[len - 1] = p[len - 1];
        first = last = ((PK__SWAR_ONES * 'a') & ~UINT64_C(0xFFFFFF)) | (unsigned char)p[0] |
                       (uint64_t)(unsigned char)p[len / 2] << 8 | (uint64_t)(unsigned char)p[len - 1] << 16;
    } else {
        return true;
    }
    return is_utf8 ? (pk__swar_escape(first) | pk__swar_escape(last)) == 0
                   : (pk__swar_json(first) | pk__swar_json(last)) == 0;
}

/* Copies what needs no look, with a few bytes too many; gives how many there were, up to `len`. */
PK__HOT size_t pk__json_copy_plain(char *out, const char *p, size_t len, bool is_utf8)
{
    size_t done = 0;
    if (len < 16) {
        return pk__json_copy_short(out, p, len, is_utf8) ? len : 0;
    }
    for (; len - done >= PK__WIDE; done += PK__WIDE) {
        pk__wide piece = pk__wide_load(p + done);
        uint64_t mask = is_utf8 ? pk__wide_escape(piece) : pk__wide_json(piece);
        pk__wide_store(out + done, piece);
        if (mask) {
            return done + pk__wide_first(mask);
        }
    }
    if (done < len) { // the last piece, again in part
        pk__wide piece = pk__wide_load(p + len - PK__WIDE);
        uint64_t mask = is_utf8 ? pk__wide_escape(piece) : pk__wide_json(piece);
        pk__wide_store(out + len - PK__WIDE, piece);
        return mask ? len - PK__WIDE + pk__wide_first(mask) : len;
    }
    return len;
}

/* The rest of a string that could not just be copied, from p on; room as below. NULL: it did not fit after all, or is
 * no UTF-8. */
PK__FN char *pk__json_quoted_rest(pk_json_writer *w, char *out, const char *p, const char *end, bool is_utf8);

/* A string with its quotes at `out`, where there is room for it and the slack. What is known to be UTF-8 is not looked
 * at for that. */
PK__HOT char *pk__json_quoted_at(pk_json_writer *w, char *out, pk_str s, bool is_utf8)
{
    *out++ = '"';
    size_t done = pk__json_copy_plain(out, s.ptr, s.len, is_utf8);
    out += done;
    if (done < s.len && !(out = pk__json_quoted_rest(w, out, s.ptr + done, s.ptr + s.len, is_utf8))) {
        return NULL;
    }
    *out++ = '"';
    return out;
}

PK__HOT void pk__json_quoted(pk_json_writer *w, pk_str s, char behind)
{
    size_t start = w->buf->len;
    char *out = pk__json_slack(w, s.len);
    if (out && (out = pk__json_quoted_at(w, out, s, false)) != NULL) {
        *out = behind;
        w->buf->len = (size_t)(out - w->buf->ptr) + (behind != '\0');
    } else {
        w->buf->len = start;
        pk__json_quoted_careful(w, s, behind);
    }
}
#endif

#endif
