/* rapidjson.cpp - see peers.h. As it is by default: its parser's doubles may be off in their last bits. */
#include "peers.h"

#ifdef HAVE_RAPIDJSON
#include <cstring>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

using namespace rapidjson;

static bool message_read(const char *text, size_t len, peer_message *out)
{
    Document root;
    if (root.Parse(text, len).HasParseError()) {
        return false;
    }
    out->id = root["id"].GetInt64();
    out->ok = root["ok"].GetBool();
    out->score = root["score"].GetDouble();
    out->size_count = 0;
    for (const Value &item : root["sizes"].GetArray()) {
        if (out->size_count < 8) {
            out->sizes[out->size_count++] = item.GetInt();
        }
    }
    const Value &string = root["text"];
    out->text_len = string.GetStringLength();
    if (out->text_len < sizeof(out->text)) {
        memcpy(out->text, string.GetString(), out->text_len);
    }
    return true;
}

static size_t take(const StringBuffer &buffer, char *out, size_t cap)
{
    size_t len = buffer.GetSize();
    if (cap) {
        memcpy(out, buffer.GetString(), len < cap ? len : cap);
    }
    return len;
}

static size_t message_print(const peer_message *in, char *out, size_t cap)
{
    Document root(kObjectType);
    Document::AllocatorType &memory = root.GetAllocator();
    Value sizes(kArrayType);
    for (size_t i = 0; i < in->size_count; i++) {
        sizes.PushBack(in->sizes[i], memory);
    }
    root.AddMember("id", Value(in->id), memory);
    root.AddMember("ok", in->ok, memory);
    root.AddMember("score", in->score, memory);
    root.AddMember("sizes", sizes, memory);
    root.AddMember("text", Value(in->text, static_cast<SizeType>(in->text_len)), memory);
    StringBuffer buffer;
    Writer<StringBuffer> writer(buffer);
    root.Accept(writer);
    return take(buffer, out, cap);
}

static void *document_parse(const char *text, size_t len)
{
    Document *root = new Document;
    if (root->Parse(text, len).HasParseError()) {
        delete root;
        return nullptr;
    }
    return root;
}

static size_t document_write(void *document, char *out, size_t cap)
{
    StringBuffer buffer;
    Writer<StringBuffer> writer(buffer);
    static_cast<Document *>(document)->Accept(writer);
    return take(buffer, out, cap);
}

static void document_free(void *document)
{
    delete static_cast<Document *>(document);
}

extern "C" const peer peer_rapidjson = {"RapidJSON",    message_read,  message_print, document_parse,
                                        document_write, document_free, nullptr};
#else
extern "C" const peer peer_rapidjson = {"RapidJSON", nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
#endif
