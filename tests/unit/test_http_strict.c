/* test_http_strict.c - one row for each way in which messages may be wrong, or odd and right (RFC 9110, 9112, 3986).
 *
 * A row is what a client sends and the answers that must come: their statuses, and '!' if the connection is closed
 * after the last one. Behind every row comes a canary, one more request. Where the row is refused the canary must never
 * be answered, whatever the row hides or leaves open; where the row is good the canary must be found and answered, at
 * exactly the byte where it begins. So a row that frames its body in a way of its own is caught from both sides. Bodies
 * carry requests for /smuggled, which nobody may ever see.
 *
 * Each row is sent at once, cut in two at every byte, and byte by byte: the answers must be the same bytes, and what
 * has come after a part must be how the whole begins. The bytes also go through the readers alone, against a page that
 * cannot be touched. */
#define UNIT_WHOLE
#include "unit.h"
#include "peer.h"

typedef struct row {
    const char *answers; // "200", "100 200", "400!"; "" = none yet
    const char *text;
    size_t len;          // 0 = up to the NUL
} row;

#define R(answers, text) {answers, text, sizeof(text) - 1}
#define H " HTTP/1.1\r\nHost: a\r\n"
#define CL(value) "POST /echo" H "Content-Length:" value "\r\n\r\n"
#define TE(value) "POST /echo" H "Transfer-Encoding:" value "\r\n\r\n"
#define CHUNKED TE(" chunked")
#define FIELD(line) "GET /x" H line "\r\n\r\n"
#define TARGET(target) "GET " target H "\r\n"
#define EVIL "GET /smuggled" H "\r\n"
#define CANARY "GET /canary" H "\r\n"

static const row lengths[] = {
    R("200", CL(" 0")),
    R("200", CL("5") "hello"),
    R("200", CL(" 5 \t ") "hello"),
    R("200", CL(" 005") "hello"),
    R("200", CL(" 0000000000000000005") "hello"), // nineteen digits
    R("200", CL(" 34") "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r"),
    R("200", "POST /echo" H "content-LENGTH: 5\r\n\r\nhello"),
    R("200", "GET /x" H "Content-Length: 5\r\n\r\nhello"),
    R("400!", CL("") EVIL),
    R("400!", CL(" ") EVIL),
    R("400!", CL(" -0") EVIL),
    R("400!", CL(" -5") EVIL),
    R("400!", CL(" +0") EVIL),
    R("400!", CL(" +5") "hello"),
    R("400!", CL(" 0x0") EVIL),
    R("400!", CL(" 0X5") "hello"),
    R("400!", CL(" 0b1") EVIL),
    R("400!", CL(" 0o5") EVIL),
    R("400!", CL(" 1_0") "0123456789"),
    R("400!", CL(" 5e0") "hello"),
    R("400!", CL(" 5.0") "hello"),
    R("400!", CL(" 5;") "hello"),
    R("400!", CL(" 5 5") "hello"),
    R("400!", CL(" \"5\"") "hello"),
    R("400!", CL(" 5\v") "hello"),
    R("400!", CL(" 5\f") "hello"),
    R("400!", CL(" 5\xa0") "hello"),
    R("400!", CL(" \x85" "5") "hello"),
    R("400!", CL(" \xef\xbc\x95") "hello"), // a full-width five
    R("400!", CL(" five") "hello"),
    R("400!", CL(" 5z") "hello"),
    R("400!", CL(" 00000000000000000005") "hello"), // twenty digits
    R("400!", CL(" 9223372036854775808") EVIL),
    R("400!", CL(" 18446744073709551616") EVIL),
    R("400!", CL(" 99999999999999999999999999999999") EVIL),
    R("400!", CL(" 5,5") "hello"),
    R("400!", CL(" 5, 5") "hello"),
    R("400!", CL(" 5,") "hello"),
    R("400!", CL(",5") "hello"),
    R("400!", CL(" 0, 50") EVIL),
    R("400!", "POST /echo" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    R("400!", "POST /echo" H "Content-Length: 0\r\nContent-Length: 32\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Content-Length: 32\r\ncontent-length: 0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Content-Length:\r\nContent-Length: 32\r\n\r\n" EVIL),
    R("413!", CL(" 9000000") "x"),
    R("413!", CL(" 9223372036854775807") "x"),
};

static const row codings[] = {
    R("200", CHUNKED "0\r\n\r\n"),
    R("200", TE("chunked") "0\r\n\r\n"),
    R("200", TE(" \t CHUNKED") "0\r\n\r\n"),
    R("200", TE("\tChunked") "5\r\nhello\r\n0\r\n\r\n"),
    R("400!", TE(" chunked ") "0\r\n\r\n" EVIL), // some take the blank for a part of the name
    R("400!", TE(" chunked\t") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunked  \t ") "0\r\n\r\n" EVIL),
    R("501!", TE(" gzip , chunked") "0\r\n\r\n" EVIL),
    R("200", "POST /echo" H "transfer-ENCODING: chunked\r\n\r\n0\r\n\r\n"),
    R("200", CHUNKED "23\r\n" EVIL "\r\n0\r\n\r\n"),
    R("400!", "POST /echo" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello"),
    R("400!", "POST /echo" H "Content-Length: 5\r\nTransfer-Encoding:\r\n\r\nhello"),
    R("400!", "POST /echo" H "Content-Length: 5\r\nTransfer-Encoding: ,\r\n\r\nhello"),
    R("400!", TE("") "0\r\n\r\n"),
    R("400!", TE(" ") "0\r\n\r\n"),
    R("400!", TE(" ,") "0\r\n\r\n"),
    R("400!", TE(" identity") EVIL),
    R("400!", TE(" gzip") EVIL),
    R("400!", TE(" chunked, identity") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunked, gzip") "0\r\n\r\n" EVIL),
    R("501!", TE(" chunked, chunked") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunked,") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunked;q=1") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunked chunked") "0\r\n\r\n" EVIL),
    R("400!", TE(" \"chunked\"") "0\r\n\r\n" EVIL),
    R("400!", TE(" 'chunked'") "0\r\n\r\n" EVIL),
    R("400!", TE(" xchunked") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunkedx") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunke") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunkedchunked") "0\r\n\r\n" EVIL),
    R("400!", TE(" \xa0" "chunked") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunked\xa0") "0\r\n\r\n" EVIL),
    R("400!", TE(" \xff" "chunked\xff") "0\r\n\r\n" EVIL),
    R("400!", TE(" \vchunked") "0\r\n\r\n" EVIL),
    R("400!", TE(" chunked\f") "0\r\n\r\n" EVIL),
    R("400!", TE(" ch\xc3\xbcnked") "0\r\n\r\n" EVIL),
    R("400!", TE(" \xe1\xb8\xb6hunked") "0\r\n\r\n" EVIL),
    R("501!", TE(" gzip, chunked") "0\r\n\r\n" EVIL),
    R("501!", TE(" identity, chunked") "0\r\n\r\n" EVIL),
    R("501!", TE(",chunked") "0\r\n\r\n" EVIL), // an empty element: somebody may take it for a coding
    R("400!", "POST /echo" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Transfer-\r\nEncoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "X: y\r\n\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "X: y\0Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" EVIL),
    /* Another name is another field, and no body. */
    R("200", "GET /x" H "Transfer_Encoding: chunked\r\n\r\n"),
    R("200", "GET /x" H "Content_Length: 40\r\n\r\n"),
    R("200", "GET /x" H "XTransfer-Encoding: chunked\r\n\r\n"),
    R("200", "GET /x" H "TE: trailers, gzip\r\nConnection: TE\r\n\r\n"),
};

static const row chunks[] = {
    R("200", CHUNKED "5\r\nhello\r\n0\r\n\r\n"),
    R("200", CHUNKED "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n"),
    R("200", CHUNKED "a\r\n0123456789\r\n0\r\n\r\n"),
    R("200", CHUNKED "A\r\n0123456789\r\n0\r\n\r\n"),
    R("200", CHUNKED "00a\r\n0123456789\r\n000\r\n\r\n"),
    R("200", CHUNKED "5;name\r\nhello\r\n0;last=\"one\"\r\n\r\n"),
    R("200", CHUNKED "5 ; name = value\r\nhello\r\n0\r\n\r\n"),
    R("200", CHUNKED "5\t;x\r\nhello\r\n0\r\n\r\n"),
    R("200", CHUNKED "5;a=\"0;\\\"b\";c\r\nhello\r\n0;d=\"\"\r\n\r\n"),
    R("400!", CHUNKED "5;\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "0;\r\n\r\n" EVIL),
    R("400!", CHUNKED "0;x \r\n\r\n" EVIL),
    R("400!", CHUNKED "0;x=\r\n\r\n" EVIL),
    R("400!", CHUNKED "0;x y\r\n\r\n" EVIL),
    R("400!", CHUNKED "0;x=\"\r\n\r\n" EVIL "\"\r\n\r\n"), // within quotes a line end is one all the same
    R("400!", CHUNKED "0;x=\"\\\r\n\"\r\n\r\n" EVIL),
    R("400!", CHUNKED "0;x=\"\\\"\r\n\r\n" EVIL),
    R("200", CHUNKED "0\r\nX: y\r\n\r\n"),
    R("200", CHUNKED "0\r\nX:\r\nY: \t z \t\r\n\r\n"),
    R("400!", CHUNKED "\r\n\r\n" EVIL),
    R("400!", CHUNKED ";x\r\n" EVIL),
    R("400!", CHUNKED " 0\r\n\r\n" EVIL),
    R("400!", CHUNKED "\t0\r\n\r\n" EVIL),
    R("400!", CHUNKED "0 \r\n\r\n" EVIL),
    R("400!", CHUNKED "5 \r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "+0\r\n\r\n" EVIL),
    R("400!", CHUNKED "-0\r\n\r\n" EVIL),
    R("400!", CHUNKED "-5\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "0_2e\r\n\r\n" EVIL),
    R("400!", CHUNKED "5g\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5.\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5,5\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "\"5\"\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5\0\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5\xa0\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "0000000000000005\r\nhello\r\n0\r\n\r\n"), // sixteen digits
    R("400!", CHUNKED "10000000000000000\r\n" EVIL),
    R("400!", CHUNKED "fffffffffffffffff\r\n" EVIL),
    R("400!", CHUNKED "5\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5\rhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5\r\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5\n\rhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5;x\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5;x\r;y\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n" EVIL),
    R("400!", CHUNKED "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5;\0\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5;\x7f\r\nhello\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5\r\nhello\n0\r\n\r\n"),
    R("400!", CHUNKED "5\r\nhello0\r\n\r\n"),
    R("400!", CHUNKED "5\r\nhello!\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5\r\nhello\r0\r\n\r\n"),
    R("400!", CHUNKED "5\r\nhello\rX0\r\n\r\n"),
    R("400!", CHUNKED "5\r\nhello\r\n\r\n0\r\n\r\n"),
    R("400!", CHUNKED "5\r\nhel\r\n0\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\n\n" EVIL),
    R("400!", CHUNKED "0\r\n\rX" EVIL),
    R("400!", CHUNKED "0\r\nX y: z\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\n: z\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\nX : z\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\nX\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\n X: z\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\nX: z\r\n y\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\nX: z\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\nX: z\r\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\nX: \0\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\n\xc3\xa4: z\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\n" EVIL),
    R("400!", CHUNKED "0\r\nContent-Length: 32\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\nX: y\r\nTRANSFER-encoding: chunked\r\n\r\n" EVIL),
    R("400!", CHUNKED "0\r\nhost: b\r\n\r\n" EVIL),
};

static const row lines[] = {
    R("200", FIELD("X: y")),
    R("200", "\r\n" FIELD("X: y")), // one empty line is forgiven (RFC 9112, 2.2)
    R("400!", "\r\n\r\n" FIELD("X: y")),
    R("400!", "\n" FIELD("X: y")),
    R("400!", "\r" FIELD("X: y")),
    R("400!", " " FIELD("X: y")),
    R("400!", "\0" FIELD("X: y")),
    R("400!", "GET /x HTTP/1.1\nHost: a\n\n" EVIL),
    R("400!", "GET /x HTTP/1.1\r\nHost: a\n\r\n" EVIL),
    R("400!", "GET /x HTTP/1.1\r\nHost: a\r\n\n" EVIL),
    R("400!", "GET /x HTTP/1.1\n\rHost: a\r\n\r\n" EVIL),
    R("400!", "GET /x HTTP/1.1\rHost: a\r\r" EVIL),
    R("400!", "GET /x HTTP/1.1\r\r\nHost: a\r\n\r\n" EVIL),
    R("400!", "GET /x" H "\rX" EVIL),
    R("400!", "GET /x" H "\rZGET /smuggled: HTTP/1.1\r\nHost: a\r\n\r\n"),
    R("400!", FIELD("X: a\r\n b")),
    R("400!", FIELD("X: a\r\n\tb")),
    R("400!", FIELD("X:\r\n b")),
    R("400!", FIELD("X: a\r\n \r\nY: b")),
    R("400!", "GET /x HTTP/1.1\r\n X: folded\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\n\tContent-Length: 1\r\nHost: a\r\n\r\nX"),
    R("400!", FIELD("X: va\rlue")),
    R("400!", FIELD("X: va\nlue")),
    R("400!", FIELD("X:\n\nGET /smuggled HTTP/1.1")),
    R("400!", FIELD("X: y\r\r")),
    R("400!", FIELD("Visible: x\rHidden: y")),
};

static const row fields[] = {
    R("200", FIELD("X:")),
    R("200", FIELD("X: ")),
    R("200", FIELD("X:y")),
    R("200", FIELD("X: \t y \t ")),
    R("200", FIELD("X: a\tb")),
    R("200", FIELD("X: \x80\xff")), // obs-text
    R("200", FIELD("X: :")),
    R("200", FIELD("!#$%&'*+-.^_`|~09azAZ: y")),
    R("200", FIELD("Connection:")),
    R("400!", FIELD(": y")),
    R("400!", FIELD(":")),
    R("400!", FIELD("X")),
    R("400!", FIELD("X y")),
    R("400!", FIELD("X : y")),
    R("400!", FIELD("X\t: y")),
    R("400!", FIELD("X\v: y")),
    R("400!", FIELD("X y: z")),
    R("400!", FIELD("X(y): z")),
    R("400!", FIELD("X[]: z")),
    R("400!", FIELD("X{}: z")),
    R("400!", FIELD("X\": z")),
    R("400!", FIELD("X/y: z")),
    R("400!", FIELD("X@y: z")),
    R("400!", FIELD("X;y: z")),
    R("400!", FIELD("X=y: z")),
    R("400!", FIELD("X,y: z")),
    R("400!", FIELD("X\\y: z")),
    R("400!", FIELD("X<y>: z")),
    R("400!", FIELD("X?y: z")),
    R("400!", FIELD("X\x7f: z")),
    R("400!", FIELD("X\x80: z")),
    R("400!", FIELD("Content-Length\x85: 5")),
    R("400!", FIELD("\xef\xbb\xbfX: z")),
    R("400!", FIELD("X\0: z")),
    R("400!", FIELD("X: \0")),
    R("400!", FIELD("X: y\0z")),
    R("400!", FIELD("X: y\x01z")),
    R("400!", FIELD("X: y\bz")),
    R("400!", FIELD("X: y\vz")),
    R("400!", FIELD("X: y\x1b[31m")),
    R("400!", FIELD("X: y\x7fz")),
    R("400!", "GET /x HTTP/1.1\r\n: ignored\r\nHost: a\r\n\r\n"),
};

static const row hosts[] = {
    R("200", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    R("200", "GET /x HTTP/1.1\r\nhOsT:\ta\r\n\r\n"),
    R("200", "GET /x HTTP/1.1\r\nHost:\r\n\r\n"), // of targets without an authority (RFC 9110, 7.2)
    R("200", "GET /x HTTP/1.1\r\nHost: a.b-c_d~e:80\r\n\r\n"),
    R("200", "GET /x HTTP/1.1\r\nHost: a:\r\n\r\n"),
    R("200", "GET /x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"),
    R("200", "GET /x HTTP/1.1\r\nHost: [::1]\r\n\r\n"),
    R("200", "GET /x HTTP/1.1\r\nHost: [fe80::1%25eth0]:80\r\n\r\n"),
    R("200!", "GET /x HTTP/1.0\r\n\r\n"),
    R("200!", "GET /x HTTP/1.0\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nX-Host: a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a\r\nHost:\r\n\r\n"),
    R("400!", "GET /x HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost : a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a?b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a#b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: http://a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a\\b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a\"b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: <a>\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a^b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a\tb\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a\0b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: :80\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a:b\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a:80:81\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: a:-80\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: ::1\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: ::1]\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: [::1]a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1\r\nHost: [[::1]]\r\n\r\n"),
};

static const row targets[] = {
    R("200", TARGET("/x")),
    R("200", TARGET("/x?")),
    R("200", TARGET("/x?a=b&c=%zz?/../..")), // queries are their readers' business
    R("200", TARGET("/a%20b")),
    R("200", TARGET("/%C3%A4")),
    R("200", TARGET("/a|b{c}\"d^`")),
    R("200", TARGET("/a;b=c,d@e:f!$&'()*+")),
    R("200", TARGET("//x")),
    R("200", TARGET("/./x/.//")),
    R("200", TARGET("/a/../x")),
    R("200", TARGET("/a/%2e%2E/x")),
    R("200", TARGET("/a/.%2e/x")),
    R("200", TARGET("/%252e%252e/x")), // "%2e%2e", once decoded: a name like others
    R("200", TARGET("/...")),
    R("200", TARGET("http://a/x")),
    R("200", TARGET("http://a")),
    R("200", TARGET("http://a?q")),
    R("200", TARGET("HTTP://A/x")),
    R("200", "GET http://a:80/x HTTP/1.1\r\nHost: a:80\r\n\r\n"),
    R("200!", "GET http://a/x HTTP/1.0\r\n\r\n"),
    R("204", "OPTIONS *" H "\r\n"),
    R("204", "OPTIONS /x" H "\r\n"),
    R("400!", "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"), // which of them is asked for?
    R("400!", "GET http://a:80/x HTTP/1.1\r\nHost: a\r\n\r\n"),
    R("400!", "GET http://a/x HTTP/1.1\r\nHost:\r\n\r\n"),
    R("400!", "GET http://a/x HTTP/1.1\r\n\r\n"),
    R("400!", TARGET("https://a/x")), // not on a plain connection
    R("400!", TARGET("ftp://a/x")),
    R("400!", TARGET("http:/a")),
    R("400!", TARGET("http:a")),
    R("400!", TARGET("http://")),
    R("400!", TARGET("http:///x")),
    R("400!", TARGET("http://?")),
    R("400!", TARGET("http://user@a/x")),
    R("400!", TARGET("http://a:b/x")),
    R("400!", TARGET("http://[::1/x")),
    R("400!", TARGET("x")),
    R("400!", TARGET("!")),
    R("400!", TARGET("?")),
    R("400!", TARGET("a:80")),
    R("400!", TARGET("*")),
    R("400!", TARGET("*/x")),
    R("400!", "OPTIONS **" H "\r\n"),
    R("501!", "CONNECT a:80" H "\r\n"), // what follows may be meant for a tunnel
    R("501!", "CONNECT a:80" H "Content-Length: 35\r\n\r\n" EVIL),
    R("400!", "CONNECT /x" H "\r\n"),
    R("400!", "CONNECT http://a" H "\r\n"),
    R("400!", TARGET("/..")),
    R("400!", TARGET("/../x")),
    R("400!", TARGET("/a/../../x")),
    R("400!", TARGET("/%2e%2e/x")),
    R("400!", TARGET("/%2e%2e%2fx")),
    R("400!", TARGET("/..%5cx")),
    R("400!", TARGET("/..\\x")),
    R("400!", TARGET("/a%2fb")),
    R("400!", TARGET("/a%2Fb")),
    R("400!", TARGET("/a%2f..%2fsmuggled")),
    R("400!", TARGET("/a%5Cb")),
    R("400!", TARGET("/a\\b")),
    R("400!", TARGET("/%00")),
    R("400!", TARGET("/x%00.txt")),
    R("400!", TARGET("/%0d%0aX:y")),
    R("400!", TARGET("/%7f")),
    R("400!", TARGET("/%c2%85")),
    R("400!", TARGET("/%c0%ae%c0%ae/x")), // overlong dots
    R("400!", TARGET("/%c0%af")),
    R("400!", TARGET("/%e0%80%af")),
    R("400!", TARGET("/%f0%80%80%af")),
    R("400!", TARGET("/%ed%a0%80")),
    R("400!", TARGET("/%ff")),
    R("400!", TARGET("/%")),
    R("400!", TARGET("/%2")),
    R("400!", TARGET("/%zz")),
    R("400!", TARGET("/%u002e")),
    R("400!", TARGET("/x#y")),
    R("400!", TARGET("/\xc3\xa4")),
    R("400!", TARGET("/\x7f")),
    R("400!", "GET /x\0" H "\r\n"),
    R("400!", "GET /x\t" H "\r\n"),
};

static const row starts[] = {
    R("200", "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    R("200", "GET /x HTTP/1.9\r\nHost: a\r\n\r\n"),
    R("200", "HEAD /x" H "\r\n"),
    R("405", "PATCH /x" H "\r\n"),
    R("405", "POST /x" H "\r\n"),
    R("501", "TRACE /x" H "\r\n"),
    R("501", "get /x" H "\r\n"),
    R("501", "M-SEARCH /x" H "\r\n"),
    R("501", "G!#$%&'*+-.^_`|~ET /x" H "\r\n"),
    R("501!", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA /x" H "\r\n"),
    R("400!", "GET  /x" H "\r\n"),
    R("400!", "GET /x  HTTP/1.1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.1 \r\nHost: a\r\n\r\n"),
    R("400!", "GET\t/x" H "\r\n"),
    R("400!", "GET /x\tHTTP/1.1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x\r\n\r\n"),
    R("400!", "GET\r\n\r\n"),
    R("400!", "GET /\nHTTP/1.1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x y" H "\r\n"),
    R("400!", "G=\":<>(e),[T];?\" /x" H "\r\n"),
    R("400!", "G\xc3\x8bT /x" H "\r\n"),
    R("400!", "G\0ET /x" H "\r\n"),
    R("400!", "/x" H "\r\n"),
    R("400!", "HTTP/1.1 200 OK\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/.1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/1.32\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/01.1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/11\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/1,1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/a.b\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x http/1.1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTPS/1.1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x ICE/1.0\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x RTSP/1.0\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/\r\r1.1\r\nHost: a\r\n\r\n"),
    R("400!", "GET /x HTTP/4294967295.255\r\nHost: a\r\n\r\n"),
    R("505!", "GET /x HTTP/0.9\r\nHost: a\r\n\r\n"),
    R("505!", "GET /x HTTP/2.0\r\nHost: a\r\n\r\n"),
    R("505!", "GET /x HTTP/9.9\r\nHost: a\r\n\r\n"),
    R("505!", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    R("400!", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), // a TLS client
    R("400!", "SSH-2.0-x\r\n"),
};

static const row connections[] = {
    R("200", FIELD("Connection: keep-alive")),
    R("200", FIELD("Connection: closed, x-close")),
    R("200", FIELD("Connection: Upgrade\r\nUpgrade: websocket, h2c")), // nobody has to
    R("200!", FIELD("Connection: close")),
    R("200!", FIELD("Connection: CLOSE")),
    R("200!", FIELD("Connection: keep-alive, close")),
    R("200!", FIELD("Connection: ,, te\t, close ,")),
    R("200!", FIELD("Connection: x\r\nConnection: close")),
    R("200!", "GET /x HTTP/1.0\r\n\r\n"),
    R("200!", "GET /x HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"),
    R("200", "GET /x HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
    R("200", "POST /echo HTTP/1.0\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello"),
    R("200!", "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), // no chunks for it: the end is the end
    R("200", "GET /stream" H "\r\n"),
    R("400!", "POST /echo" H "Connection: Content-Length\r\nContent-Length: 32\r\n\r\n" EVIL),
    R("400!", "POST /echo" H "Connection: close, TRANSFER-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    R("400!", FIELD("Connection: x, host")),
    R("200", FIELD("Connection: x-hop\r\nX-Hop: y")),
};

static const row expectations[] = {
    R("200", "GET /x" H "Expect: 100-continue\r\n\r\n"), // there is nothing to wait for
    R("200!", "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello"),
    R("417!", "POST /echo" H "Expect: 200-ok\r\nContent-Length: 5\r\n\r\nhello"),
    R("417!", "POST /echo" H "Expect: 100-continue, x\r\nContent-Length: 5\r\n\r\nhello"),
    R("417!", "POST /echo" H "Expect:\r\nContent-Length: 5\r\n\r\nhello"),
    /* Sent along with its body it is a request like any other; that is also what it is when bytes come in parts, but
     * for a line in between, which is looked at elsewhere. */
};

#define PIPELINE "GET /x" H "\r\n" "POST /echo" H "Content-Length: 5\r\n\r\nhello"
static const row pipelines[] = {
    R("200 200 200", PIPELINE CHUNKED "5\r\nhello\r\n0\r\n\r\n"),
    R("200 501 405 200", "HEAD /x" H "\r\n" "BREW /x" H "\r\n" "PUT /x" H "\r\n" "GET /x" H "\r\n"),
    R("200 200 400!", PIPELINE "GET /x HTTP/1.1\r\n\r\n" EVIL),
    R("200 200 400!", PIPELINE CL(" 5, 6") "hello" EVIL),
    R("200 200 200!", PIPELINE FIELD("Connection: close") EVIL),
    R("200 400!", "GET /x" H "\r\n\r\n\r\n" "GET /x" H "\r\n"),
    R("200 200", "POST /echo" H "Content-Length: 5\r\n\r\nhello\r\n" "GET /x" H "\r\n"), // as old clients did
    R("200 400!", CL(" 0") "hello world\r\n\r\n"),
    R("200 400!", CHUNKED "0\r\n\r\n" "\0"),
};

/* ---- the server */

static struct {
    pk_loop *loop;
    pk_server *server;
    int canaries, smuggled;
} site;

static pk_err run_any(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)err;
    site.smuggled += pk_str_starts(q->path, PK_STR("/smuggled"));
    site.canaries += pk_str_is(q->path, "/canary");
    a->body.bytes = PK_STR("any");
    return PK_OK;
}

static pk_err run_echo(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    (void)user, (void)err;
    a->body = q->body;
    a->body.content_type = PK_STR("text/plain");
    return PK_OK;
}

static pk_err read_stream(void *user, void *buf, size_t cap, size_t *got, pk_error *err)
{
    (void)cap, (void)err;
    *got = (*(int *)user)++ % 3 < 2;
    memset(buf, 's', *got);
    return PK_OK;
}

static pk_err run_stream(void *user, const pk_request *q, pk_response *a, pk_error *err)
{
    static int turn;
    (void)user, (void)q, (void)err;
    turn = 0;
    a->body.read = read_stream;
    a->body.user = &turn;
    return PK_OK;
}

static void site_open(void)
{
    static const pk_route routes[] = {{"GET /*", 0, run_any, NULL},
                                      {"POST /echo", 0, run_echo, NULL},
                                      {"GET /stream", 0, run_stream, NULL}};
    pk_server_desc desc = {.alloc = test_alloc(), .listen = "unix:x.sock"};
    REQUIRE_OK(pk_loop_create(&site.loop, test_alloc(), NULL));
    desc.loop = site.loop;
    REQUIRE_OK(pk_server_create(&site.server, &desc, NULL));
    for (size_t i = 0; i < PK__COUNT(routes); i++) {
        REQUIRE_OK(pk_server_add(site.server, &routes[i], NULL));
    }
}

static void site_close(void)
{
    pk_server_destroy(site.server);
    pk_loop_destroy(site.loop);
}

typedef struct talk {
    char text[8192];
    size_t len;
    bool closed;
} talk;

/* Steps the loop until nothing more comes. */
static void settle(int fd, talk *t)
{
    for (int quiet = 0; quiet < 2;) {
        (void)pk_loop_step(site.loop, 0, NULL);
        ssize_t n = t->closed ? 0 : recv(fd, t->text + t->len, sizeof(t->text) - 1 - t->len, MSG_DONTWAIT);
        t->closed |= n == 0 || (n < 0 && errno != EAGAIN);
        t->len += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
    }
    t->text[t->len] = '\0';
}

/* Sends in pieces of `step` after a first one of `cut` bytes; *begun: what had come after the first. */
static void tell(const char *bytes, size_t len, size_t cut, size_t step, talk *t, size_t *begun)
{
    int fds[2];
    memset(t, 0, sizeof(*t));
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    pk__http_server_add(site.server->engine, fds[0]);
    for (size_t at = 0, n = cut; at < len; at += n, n = PK__MIN(step, len - at)) {
        (void)peer_write(fds[1], bytes + at, n);
        settle(fds[1], t);
        *begun = at == 0 ? t->len : *begun;
    }
    settle(fds[1], t);
    close(fds[1]);
    (void)pk_loop_step(site.loop, 0, NULL);
}

/* The statuses of all answers, with '!' if the connection was closed. */
static const char *statuses(const talk *t)
{
    static char out[200];
    size_t len = 0;
    for (const char *p = t->text; (p = strstr(p, "HTTP/1.1 ")) != NULL; p += 9) {
        if (p[9] < '1' || p[9] > '9') {
            continue; // in a sentence
        }
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%.3s", len ? " " : "", p + 9);
    }
    snprintf(out + len, sizeof(out) - len, "%s", t->closed ? "!" : "");
    return out;
}

static size_t with_canary(const row *r, char *out)
{
    size_t len = r->len;
    memcpy(out, r->text, len);
    memcpy(out + len, CANARY, sizeof(CANARY) - 1);
    return len + sizeof(CANARY) - 1;
}

static void check_row(const row *r)
{
    static talk whole, parts;
    char bytes[1024], expected[64];
    size_t len = with_canary(r, bytes), begun = 0;
    bool closed = strchr(r->answers, '!') != NULL;
    snprintf(expected, sizeof(expected), closed ? "%s" : "%s 200", r->answers);
    site.canaries = 0;
    site.smuggled = 0;
    tell(bytes, len, len, len, &whole, &begun);
    CHECK_STR(statuses(&whole), expected);
    CHECK_INT(site.canaries, ==, closed ? 0 : 1);
    if (test_now.failed) {
        return; // in pieces it would only be told again
    }
    for (size_t cut = 1; cut <= len; cut++) { // the last one: byte by byte
        bool all = cut == len;
        tell(bytes, len, all ? 1 : cut, all ? 1 : len, &parts, &begun);
        if (parts.len != whole.len || memcmp(parts.text, whole.text, whole.len) != 0 || parts.closed != whole.closed) {
            CASE("cut at %zu", cut)
            {
                CHECK_STR(parts.text, whole.text);
                CHECK_INT(parts.closed, ==, whole.closed);
            }
        }
    }
    CHECK_INT(site.smuggled, ==, 0);
}

static void check_rows(const row *rows, size_t count)
{
    site_open();
    for (size_t i = 0; i < count; i++) {
        CASE("%s <- %.*s", rows[i].answers, (int)rows[i].len, rows[i].text)
        {
            check_row(&rows[i]);
        }
    }
    site_close();
}

#define TEST_ROWS(what)                      \
    TEST(http_strict, what)                  \
    {                                        \
        check_rows(what, PK__COUNT(what));   \
    }

TEST_ROWS(lengths)
TEST_ROWS(codings)
TEST_ROWS(chunks)
TEST_ROWS(lines)
TEST_ROWS(fields)
TEST_ROWS(hosts)
TEST_ROWS(targets)
TEST_ROWS(starts)
TEST_ROWS(connections)
TEST_ROWS(expectations)
TEST_ROWS(pipelines)

/* ---- the readers alone: every prefix of every row ends at a page that is not there */

/* Reads messages as a server would. Gives the status of the refusal, or 0. */
static int read_all(const char *bytes, size_t len)
{
    static const pk__http_limits limits = {4096, 2048, 20};
    pk_meta room[20];
    while (len > 0) {
        pk__http_head head;
        pk__http_head_init(&head, PK__HTTP_REQUEST, room, &limits);
        pk__http_result r = pk__http_head_parse(&head, bytes, len);
        if (r != PK__HTTP_DONE) {
            return r == PK__HTTP_ERROR ? head.error_status : 0;
        }
        pk_str in = {bytes + head.size, len - head.size}, data;
        if (head.framing == PK__HTTP_CHUNKED) {
            pk__http_chunk chunk;
            pk__chunk_result c;
            pk__http_chunk_init(&chunk);
            while ((c = pk__http_chunk_next(&chunk, &in, &data)) == PK__CHUNK_DATA) {
            }
            if (c != PK__CHUNK_DONE) {
                return c == PK__CHUNK_ERROR ? 400 : 0;
            }
        } else {
            size_t body = (size_t)PK__MIN(head.length, (uint64_t)in.len);
            in.ptr += body;
            in.len -= body;
        }
        bytes = in.ptr;
        len = in.len;
    }
    return 0;
}

TEST(http_strict, readers_keep_to_their_bytes)
{
    static const struct {
        const row *rows;
        size_t count;
    } all[] = {{lengths, PK__COUNT(lengths)}, {codings, PK__COUNT(codings)},         {chunks, PK__COUNT(chunks)},
               {lines, PK__COUNT(lines)},     {fields, PK__COUNT(fields)},           {hosts, PK__COUNT(hosts)},
               {targets, PK__COUNT(targets)}, {starts, PK__COUNT(starts)},           {pipelines, PK__COUNT(pipelines)},
               {connections, PK__COUNT(connections)}, {expectations, PK__COUNT(expectations)}};
    for (size_t k = 0; k < PK__COUNT(all); k++) {
        for (size_t i = 0; i < all[k].count; i++) {
            const row *r = &all[k].rows[i];
            int last = 0;
            EACH_PREFIX(r->text, r->len, part, len)
            {
                int status = read_all(part, len);
                if (last != 0 && status != last) { // once refused, whatever follows
                    CASE("%zu bytes of %.*s", len, (int)r->len, r->text)
                    {
                        CHECK_INT(status, ==, last);
                    }
                }
                last = status;
            }
        }
    }
}

/* ---- what depends on how the bytes come, or is longer than a row */

TEST(http_strict, waits_with_100_only_for_who_waits)
{
    static talk t;
    size_t begun = 0;
    static const char *const waiting[] = {
        "POST /echo" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        "POST /echo" H "Expect: 100-CONTINUE\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /echo" H "Content-Length: 5\r\nexpect:100-continue\r\n\r\n",
    };
    site_open();
    for (size_t i = 0; i < PK__COUNT(waiting); i++) {
        CASE("%s", waiting[i])
        {
            size_t len = strlen(waiting[i]);
            tell(waiting[i], len, len, len, &t, &begun);
            CHECK_STR(statuses(&t), "100");
        }
    }
    static const char refused[] = "POST /x" H "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n" CANARY;
    size_t head = sizeof(refused) - sizeof(CANARY);
    tell(refused, sizeof(refused) - 1, head, sizeof(refused), &t, &begun);
    CHECK_STR(statuses(&t), "405!"); // no body will come, and what comes is not looked at
    site_close();
}

static size_t fill(char *out, const char *before, const char *again, size_t times, const char *after)
{
    size_t at = strlen(before), n = strlen(again);
    memcpy(out, before, at);
    for (size_t i = 0; i < times; i++, at += n) {
        memcpy(out + at, again, n);
    }
    memcpy(out + at, after, strlen(after));
    return at + strlen(after);
}

TEST(http_strict, has_limits_for_all_that_repeats)
{
    static const struct {
        const char *answers, *before, *again;
        size_t times;
        const char *after;
    } rows[] = {
        {"200 200", "GET /", "a", 8191, H "\r\n" CANARY},
        {"414!", "GET /", "a", 8192, H "\r\n" CANARY},
        {"414!", "GET /", "a", 60000, ""},
        {"414!", "GET /?", "a=b&", 3000, H "\r\n" CANARY},
        {"200 200", "GET /x" H, "X: y\r\n", 99, "\r\n" CANARY},
        {"431!", "GET /x" H, "X: y\r\n", 100, "\r\n" CANARY},
        {"431!", "GET /x" H "X: ", "y", 16400, "\r\n\r\n" CANARY},
        {"431!", "GET /x" H, "y", 16400, ": x\r\n\r\n" CANARY},
        {"431!", "GET /x" H "X:", " ", 60000, ""},
        {"400!", "\r\n", "\r\n", 10, "GET /x" H "\r\n" CANARY},
        {"501!", "", "A", 60000, ""},
        {"200 200", CHUNKED "1;", "x", 4095, "\r\nh\r\n0\r\n\r\n" CANARY},
        {"400!", CHUNKED "1;", "x", 4096, "\r\nh\r\n0\r\n\r\n" CANARY},
        {"400!", CHUNKED, "1;12345678\r\nh\r\n", 500, "0\r\n\r\n" CANARY}, // nine bytes in each
        {"200 200", CHUNKED "0\r\n", "X: y\r\n", 819, "\r\n" CANARY},
        {"400!", CHUNKED "0\r\n", "X: y\r\n", 820, "\r\n" CANARY},
        {"400!", CHUNKED "0\r\nX: ", "y", 5000, "\r\n\r\n" CANARY},
        {"400!", CHUNKED "0\r\n", "y", 5000, ": x\r\n\r\n" CANARY},
    };
    static char bytes[70000];
    static talk t;
    site_open();
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        static const size_t steps[] = {100000, 1000, 77};
        for (size_t k = 0; k < PK__COUNT(steps); k++) {
            CASE("%s and %zu times %s, in pieces of %zu", rows[i].before, rows[i].times, rows[i].again, steps[k])
            {
                size_t begun = 0, len = fill(bytes, rows[i].before, rows[i].again, rows[i].times, rows[i].after);
                tell(bytes, len, PK__MIN(len, steps[k]), steps[k], &t, &begun);
                CHECK_STR(statuses(&t), rows[i].answers);
            }
        }
    }
    site_close();
}

/* Status 405 and OPTIONS tell what there is, and HEAD tells the same as GET without its body (RFC 9110, 9.3.2). */
TEST(http_strict, tells_what_a_path_can_do)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"PUT /x" H "\r\n", "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD, OPTIONS\r\n"},
        {"OPTIONS /echo" H "\r\n", "HTTP/1.1 204 No Content\r\nAllow: POST, GET, HEAD, OPTIONS\r\n\r\n"},
        {"GET /x" H "\r\n", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\nany"},
        {"HEAD /x" H "\r\n", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n"},
        {"HEAD /stream" H "\r\n",
         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"},
    };
    static talk t;
    site_open();
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            size_t len = strlen(rows[i].text), begun = 0;
            tell(rows[i].text, len, len, len, &t, &begun);
            t.text[rows[i].text[0] == 'P' ? strlen(rows[i].says) : t.len] = '\0'; // what follows is for people
            CHECK_STR(t.text, rows[i].says);
        }
    }
    site_close();
}
