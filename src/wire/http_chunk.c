/* http_chunk.c - the chunked coding as a state machine over bytes. */
#include "http_chunk.h"
#include "http_head.h"

#include <string.h>

enum {
    PK__CHUNK_SIZE,       // digits of a size
    PK__CHUNK_EXT_NAME,   // an extension's name
    PK__CHUNK_EXT_TOKEN,  // its value
    PK__CHUNK_EXT_CLOSED, // a value that was in quotes, behind the last one. In all of these the line may end.
    PK__CHUNK_EXT_GAP,    // blanks behind a size or a value: another extension must follow
    PK__CHUNK_EXT_NAMED,  // blanks behind a name: a value, or another extension
    PK__CHUNK_EXT,        // ';' and blanks: a name must follow
    PK__CHUNK_EXT_IS,     // '=' and blanks: a value
    PK__CHUNK_EXT_QUOTED, // within quotes
    PK__CHUNK_EXT_QUOTE,  //   and behind a '\' there
    PK__CHUNK_SIZE_LF,    // the LF behind them
    PK__CHUNK_BYTES,      // data
    PK__CHUNK_BYTES_CR,   // the line end behind data
    PK__CHUNK_BYTES_LF,
    PK__CHUNK_LINE,       // start of a trailer line, or of the last, empty one
    PK__CHUNK_NAME,       // a trailer's name
    PK__CHUNK_VALUE,      // and its value
    PK__CHUNK_VALUE_LF,
    PK__CHUNK_LAST_LF,    // of the empty line
    PK__CHUNK_END,
    PK__CHUNK_BROKEN
};

PK__FN void pk__http_chunk_init(pk__http_chunk *c)
{
    memset(c, 0, sizeof(*c));
}

static uint8_t pk__http_chunk_refuse(pk__http_chunk *c, const char *why)
{
    c->error = why;
    return PK__CHUNK_BROKEN;
}

static int pk__http_chunk_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool pk__http_chunk_is_text(char c)
{
    return ((unsigned char)c >= 0x20 && c != 0x7f) || c == '\t';
}

/* One byte behind the digits, up to the line's end: the next state, or 0 if it may not stand there. */
static uint8_t pk__http_chunk_ext(uint8_t state, char byte)
{
    pk_str one = {&byte, 1};
    if (state >= PK__CHUNK_EXT_QUOTED) {
        return !pk__http_chunk_is_text(byte)  ? 0
               : state == PK__CHUNK_EXT_QUOTE ? PK__CHUNK_EXT_QUOTED
               : byte == '"'                  ? PK__CHUNK_EXT_CLOSED
               : byte == '\\'                 ? PK__CHUNK_EXT_QUOTE
                                              : PK__CHUNK_EXT_QUOTED;
    }
    switch (byte) {
    case '\r': return state <= PK__CHUNK_EXT_CLOSED ? PK__CHUNK_SIZE_LF : 0;
    case ';': return state < PK__CHUNK_EXT ? PK__CHUNK_EXT : 0;
    case '=': return state == PK__CHUNK_EXT_NAME || state == PK__CHUNK_EXT_NAMED ? PK__CHUNK_EXT_IS : 0;
    case '"': return state == PK__CHUNK_EXT_IS ? PK__CHUNK_EXT_QUOTED : 0;
    case ' ':
    case '\t':
        return state == PK__CHUNK_EXT_NAME     ? PK__CHUNK_EXT_NAMED
               : state <= PK__CHUNK_EXT_CLOSED ? PK__CHUNK_EXT_GAP
                                               : state;
    default:
        return !pk__http_head_is_token(one)                                ? 0
               : state == PK__CHUNK_EXT || state == PK__CHUNK_EXT_NAME     ? PK__CHUNK_EXT_NAME
               : state == PK__CHUNK_EXT_IS || state == PK__CHUNK_EXT_TOKEN ? PK__CHUNK_EXT_TOKEN
                                                                           : 0;
    }
}

/* Extensions are read to be refused or dropped. */
static uint8_t pk__http_chunk_line(pk__http_chunk *c, char byte)
{
    uint8_t next = pk__http_chunk_ext(c->state, byte);
    if (next == 0) {
        return pk__http_chunk_refuse(c, c->state == PK__CHUNK_SIZE ? "malformed chunk size"
                                                                   : "malformed chunk extension");
    }
    if (byte != '\r' && ++c->extra > PK__CHUNK_EXTRA_MAX) {
        return pk__http_chunk_refuse(c, "chunk extensions are too long");
    }
    return next;
}

static uint8_t pk__http_chunk_size(pk__http_chunk *c, char byte)
{
    int digit = pk__http_chunk_digit(byte);
    if (digit >= 0) {
        if (c->digits == 15) {
            return pk__http_chunk_refuse(c, "malformed chunk size");
        }
        c->digits++;
        c->left = c->left << 4 | (uint64_t)digit;
        return PK__CHUNK_SIZE;
    }
    return c->digits > 0 ? pk__http_chunk_line(c, byte) : pk__http_chunk_refuse(c, "malformed chunk size");
}

static uint8_t pk__http_chunk_name(pk__http_chunk *c, char byte)
{
    pk_str one = {&byte, 1}, name = {c->name, c->digits};
    if (byte == ':' && c->state == PK__CHUNK_NAME && !pk__http_head_is_vital(name)) {
        return PK__CHUNK_VALUE;
    }
    if (!pk__http_head_is_token(one)) {
        return pk__http_chunk_refuse(c, "malformed or forbidden trailer");
    }
    if (c->digits < sizeof(c->name)) {
        c->name[c->digits++] = byte;
    }
    return PK__CHUNK_NAME;
}

static uint8_t pk__http_chunk_trailer(pk__http_chunk *c, char byte)
{
    if (++c->trailer > PK__CHUNK_EXTRA_MAX) {
        return pk__http_chunk_refuse(c, "trailer is too long");
    }
    switch (c->state) {
    case PK__CHUNK_LINE:
        c->digits = 0;
        return byte == '\r' ? PK__CHUNK_LAST_LF : pk__http_chunk_name(c, byte);
    case PK__CHUNK_NAME: return pk__http_chunk_name(c, byte);
    default:
        if (byte == '\r') {
            return PK__CHUNK_VALUE_LF;
        }
        return pk__http_chunk_is_text(byte) ? PK__CHUNK_VALUE : pk__http_chunk_refuse(c, "malformed or forbidden trailer");
    }
}

static uint8_t pk__http_chunk_expect(pk__http_chunk *c, char byte, char want, uint8_t next)
{
    return byte == want ? next : pk__http_chunk_refuse(c, "malformed end of a chunk");
}

/* One byte outside the data: the next state. */
static uint8_t pk__http_chunk_step(pk__http_chunk *c, char byte)
{
    if (c->state == PK__CHUNK_SIZE) {
        return pk__http_chunk_size(c, byte);
    }
    if (c->state <= PK__CHUNK_EXT_QUOTE) {
        return pk__http_chunk_line(c, byte);
    }
    switch (c->state) {
    case PK__CHUNK_SIZE_LF:
        c->digits = 0;
        return pk__http_chunk_expect(c, byte, '\n', c->left > 0 ? PK__CHUNK_BYTES : PK__CHUNK_LINE);
    case PK__CHUNK_BYTES_CR: return pk__http_chunk_expect(c, byte, '\r', PK__CHUNK_BYTES_LF);
    case PK__CHUNK_BYTES_LF: return pk__http_chunk_expect(c, byte, '\n', PK__CHUNK_SIZE);
    case PK__CHUNK_VALUE_LF: return pk__http_chunk_expect(c, byte, '\n', PK__CHUNK_LINE);
    case PK__CHUNK_LAST_LF: return pk__http_chunk_expect(c, byte, '\n', PK__CHUNK_END);
    default: return pk__http_chunk_trailer(c, byte);
    }
}

PK__FN pk__chunk_result pk__http_chunk_next(pk__http_chunk *c, pk_str *in, pk_str *data)
{
    for (;;) {
        if (c->state == PK__CHUNK_BROKEN) {
            return PK__CHUNK_ERROR;
        }
        if (c->state == PK__CHUNK_END) {
            return PK__CHUNK_DONE;
        }
        if (in->len == 0) {
            return PK__CHUNK_MORE;
        }
        if (c->state == PK__CHUNK_BYTES) {
            data->ptr = in->ptr;
            data->len = c->left < in->len ? (size_t)c->left : in->len;
            in->ptr += data->len;
            in->len -= data->len;
            c->left -= data->len;
            c->state = c->left > 0 ? PK__CHUNK_BYTES : PK__CHUNK_BYTES_CR;
            return PK__CHUNK_DATA;
        }
        c->state = pk__http_chunk_step(c, *in->ptr);
        if (c->state != PK__CHUNK_BROKEN) {
            in->ptr++;
            in->len--;
        }
    }
}

PK__FN size_t pk__http_chunk_head(char *out, uint64_t size, bool first)
{
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    int shift = 60;
    if (!first) {
        out[at++] = '\r';
        out[at++] = '\n';
    }
    while (shift > 0 && (size >> shift & 15) == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        out[at++] = hex[size >> shift & 15];
    }
    out[at++] = '\r';
    out[at++] = '\n';
    if (size == 0) {
        out[at++] = '\r';
        out[at++] = '\n';
    }
    return at;
}
