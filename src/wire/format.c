/* format.c - dates, names, identifiers; addresses and URIs are in format_uri.c. */
#ifdef PLUGKIT_WITH_SCHEMA
#include "format.h"

#include <string.h>

#include "../base/words.h"
#include "format_uri.h"
#include "pattern.h"
#include "utf8.h"

static bool pk__format_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool pk__format_is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* ---- time */

/* Just so many digits at *p, which goes behind them. -1: there are fewer. */
static int pk__format_digits(const char **p, const char *end, int count)
{
    int value = 0;
    for (; count > 0; count--, ++*p) {
        if (*p == end || !pk__format_is_digit(**p)) {
            return -1;
        }
        value = value * 10 + (**p - '0');
    }
    return value;
}

static bool pk__format_take(const char **p, const char *end, char c)
{
    bool is_there = *p < end && **p == c;
    *p += is_there;
    return is_there;
}

static bool pk__format_date_at(const char **p, const char *end)
{
    static const char days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = pk__format_digits(p, end, 4);
    int month = year >= 0 && pk__format_take(p, end, '-') ? pk__format_digits(p, end, 2) : -1;
    int day = month >= 1 && month <= 12 && pk__format_take(p, end, '-') ? pk__format_digits(p, end, 2) : -1;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return day >= 1 && day <= days[month - 1] && (month != 2 || day <= 28 || leap);
}

/* The offset from UTC in minutes, or INT32_MAX. */
static int32_t pk__format_zone(const char **p, const char *end)
{
    if (pk__format_take(p, end, 'Z') || pk__format_take(p, end, 'z')) {
        return 0;
    }
    int sign = pk__format_take(p, end, '+') ? 1 : pk__format_take(p, end, '-') ? -1 : 0;
    int hour = sign ? pk__format_digits(p, end, 2) : -1;
    int minute = hour >= 0 && hour < 24 && pk__format_take(p, end, ':') ? pk__format_digits(p, end, 2) : -1;
    return minute >= 0 && minute < 60 ? sign * (hour * 60 + minute) : INT32_MAX;
}

static bool pk__format_time_at(const char **p, const char *end)
{
    int hour = pk__format_digits(p, end, 2);
    int minute = hour >= 0 && hour < 24 && pk__format_take(p, end, ':') ? pk__format_digits(p, end, 2) : -1;
    int second = minute >= 0 && minute < 60 && pk__format_take(p, end, ':') ? pk__format_digits(p, end, 2) : -1;
    if (second < 0 || second > 60) {
        return false;
    }
    if (pk__format_take(p, end, '.') && pk__format_digits(p, end, 1) < 0) {
        return false;
    }
    while (*p < end && pk__format_is_digit(**p)) {
        ++*p;
    }
    int32_t zone = pk__format_zone(p, end);
    int32_t utc = (hour * 60 + minute - zone + 2 * 1440) % 1440;
    return zone != INT32_MAX && (second < 60 || utc == 1439); // a leap second is 23:59:60 in Greenwich
}

static bool pk__format_date(const char *p, const char *end)
{
    return pk__format_date_at(&p, end) && p == end;
}

static bool pk__format_time(const char *p, const char *end)
{
    return pk__format_time_at(&p, end) && p == end;
}

static bool pk__format_date_time(const char *p, const char *end)
{
    return pk__format_date_at(&p, end) && (pk__format_take(&p, end, 'T') || pk__format_take(&p, end, 't')) &&
           pk__format_time(p, end);
}

/* Numbers with these units, each once, in this order and without a gap. How many there were; -1 = something else. */
static int pk__format_units(const char **p, const char *end, const char *units)
{
    int count = 0;
    while (*p < end && pk__format_is_digit(**p)) {
        while (*p < end && pk__format_is_digit(**p)) {
            ++*p;
        }
        const char *unit = *p < end && **p ? strchr(units, **p) : NULL;
        if (!unit || (count > 0 && unit != units)) {
            return -1;
        }
        units = unit + 1;
        count++;
        ++*p;
    }
    return count;
}

static bool pk__format_duration(const char *p, const char *end)
{
    if (!pk__format_take(&p, end, 'P')) {
        return false;
    }
    const char *begin = p;
    if (pk__format_units(&p, end, "W") == 1 && p == end) {
        return true;
    }
    p = begin;
    int date = pk__format_units(&p, end, "YMD");
    if (date < 0 || !pk__format_take(&p, end, 'T')) {
        return date > 0 && p == end;
    }
    return pk__format_units(&p, end, "HMS") > 0 && p == end;
}

/* ---- mail */

static bool pk__format_is_atom(char c)
{
    return pk__format_is_letter(c) || pk__format_is_digit(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* What stands before the @. */
static bool pk__format_local(const char *p, const char *end, bool is_idn)
{
    if (p < end && *p == '"') {
        for (p++; p < end - 1; p++) {
            bool other = (*p & 0x80) && is_idn;
            if (*p == '\\' && p < end - 2) {
                p++;
            } else if (*p == '"' || *p == '\\' || (!other && (*p < 0x20 || *p > 0x7E))) {
                return false;
            }
        }
        return p == end - 1 && *p == '"';
    }
    for (bool dot = true; p < end; p++) {
        if ((*p == '.' && dot) || (*p != '.' && !pk__format_is_atom(*p) && !((*p & 0x80) && is_idn))) {
            return false;
        }
        dot = *p == '.';
        if (dot && p + 1 == end) {
            return false;
        }
    }
    return true;
}

static bool pk__format_mailbox(const char *p, const char *end, bool is_idn)
{
    const char *at = end;
    while (at > p && at[-1] != '@') {
        at--;
    }
    if (at <= p + 1 || at == end || !pk__format_local(p, at - 1, is_idn)) {
        return false;
    }
    if (*at != '[') {
        return pk__format_hostname(at, end, is_idn);
    }
    at++;
    if (end[-1] != ']' || --end < at) {
        return false;
    }
    pk_str literal = {at, (size_t)(end - at)};
    return pk_str_starts(literal, PK_STR("IPv6:")) ? pk__format_ipv6(at + 5, end) : pk__format_ipv4(at, end);
}

static bool pk__format_email(const char *p, const char *end)
{
    return pk__format_mailbox(p, end, false);
}

static bool pk__format_idn_email(const char *p, const char *end)
{
    return pk__format_mailbox(p, end, true);
}

static bool pk__format_ascii_hostname(const char *p, const char *end)
{
    return pk__format_hostname(p, end, false);
}

/* ---- identifiers */

static bool pk__format_uuid(const char *p, const char *end)
{
    static const char dashes[] = "\10\15\22\27"; // 8, 13, 18, 23
    if (end - p != 36) {
        return false;
    }
    for (int i = 0; i < 36; i++) {
        char lower = (char)(p[i] | 0x20);
        bool dash = i > 0 && strchr(dashes, i) != NULL;
        if (dash ? p[i] != '-' : !pk__format_is_digit(p[i]) && !(lower >= 'a' && lower <= 'f')) {
            return false;
        }
    }
    return true;
}

static bool pk__format_pointer(const char *p, const char *end)
{
    bool good = p == end || *p == '/';
    for (; good && p < end; p++) {
        good = *p != '~' || (end - p > 1 && (p[1] == '0' || p[1] == '1'));
    }
    return good;
}

static bool pk__format_relative_pointer(const char *p, const char *end)
{
    const char *begin = p;
    while (p < end && pk__format_is_digit(*p)) {
        p++;
    }
    if (p == begin || (p - begin > 1 && *begin == '0')) {
        return false;
    }
    return (end - p == 1 && *p == '#') || pk__format_pointer(p, end);
}

/* ---- the list */

static const char pk__format_words[] =
    "date-time\0date\0time\0duration\0email\0idn-email\0hostname\0ipv4\0ipv6\0uri\0uri-reference\0iri\0iri-reference\0"
    "uri-template\0uuid\0json-pointer\0relative-json-pointer\0regex\0";

typedef bool (*pk__format_function)(const char *p, const char *end);
static const pk__format_function pk__format_checks[] = {
    pk__format_date_time, pk__format_date, pk__format_time, pk__format_duration, pk__format_email,
    pk__format_idn_email, pk__format_ascii_hostname, pk__format_ipv4, pk__format_ipv6, pk__format_uri,
    pk__format_uri_reference, pk__format_iri, pk__format_iri_reference, pk__format_uri_template, pk__format_uuid,
    pk__format_pointer, pk__format_relative_pointer}; // and a regex

PK__FN unsigned pk__format_named(pk_str name)
{
    const char *word = pk__format_words;
    for (unsigned n = 1; *word; n++, word += strlen(word) + 1) {
        if (pk_str_is(name, word)) {
            return n;
        }
    }
    return 0;
}

PK__FN pk_err pk__format_check(unsigned format, pk_str text, const pk_alloc *alloc)
{
    const char *p = text.len ? text.ptr : "";
    if (format > PK__COUNT(pk__format_checks)) {
        return pk__pattern_is_regex(text, alloc);
    }
    return pk__format_checks[format - 1](p, p + text.len) ? PK_OK : PK_ERR_PARSE;
}

#endif
