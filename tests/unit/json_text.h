/* json_text.h - JSON in C, readable: with ' in the place of ". */
#ifndef JSON_TEXT_H
#define JSON_TEXT_H

#define J(text) pk_str_from(json_text(text))

/* Good until the eighth call from here. */
static TEST__UNUSED const char *json_text(const char *text)
{
    static char texts[8][8192];
    static unsigned next;
    char *out = texts[next++ % 8];
    size_t i = 0;
    for (; text[i]; i++) {
        REQUIRE(i + 1 < sizeof(texts[0]));
        out[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    }
    out[i] = '\0';
    return out;
}

#endif
