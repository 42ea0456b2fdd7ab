/* data_processor.h - bytes in, bytes out: text filters, converters, compressors.
 *
 * To call one:
 *
 *     data_processor dp;
 *     process_request request = {.data = PK_STR("hello")};
 *     process_response response = {0};
 *     rc = data_processor_bind(&dp, pk_manager_caller(m), PK_STR("upper"), &err);
 *     rc = dp.process(&dp, NULL, &request, &response, &err);      // response.data: HELLO
 *     pk_mem_free(&response.mem);
 *
 * To be one, fill both functions and offer them as a service:
 *
 *     static const data_processor upper = {.process = upper_process, .formats = upper_formats};
 *     static const pk_service service = {&data_processor_contract, "upper", &upper, PK_STR_INIT("")};
 *
 * process   turns `data` into new data. `format` is the media type of the bytes, in the request and in the answer;
 *           left out, it is the processor's own choice. `config` holds settings for this one call, by name; a
 *           processor refuses a setting of the wrong kind and ignores names that it does not know. `metadata` is what
 *           the processor has to say about its work.
 * formats   lists the media types that `process` takes.
 *
 * Wire messages: data_processor.schema.json; in JSON, data travels as base64. A message must fit into memory on both
 * sides (8 MiB by default): see blob_store.h for streams. Include plugkit.h or plugkit_sdk.h first. */
#ifndef PLUGKIT_DATA_PROCESSOR_H
#define PLUGKIT_DATA_PROCESSOR_H

#ifndef PK_VERSION
#error "include plugkit.h or plugkit_sdk.h before data_processor.h"
#endif

#define PROCESS_REQUEST(F, T)                                                                                 \
    F(T, REQ, pk_b64, data, "data")                                                                           \
    F(T, OPT, pk_str, format, "format")                                                                       \
    F(T, MAP, pk_json, config, "config")
PK_MESSAGE(process_request, PROCESS_REQUEST)
#undef PROCESS_REQUEST

#define PROCESS_RESPONSE(F, T)                                                                                \
    F(T, REQ, pk_b64, data, "data")                                                                           \
    F(T, OPT, pk_str, format, "format")                                                                       \
    F(T, MAP, pk_json, metadata, "metadata")
PK_MESSAGE(process_response, PROCESS_RESPONSE)
#undef PROCESS_RESPONSE

#define FORMATS_RESPONSE(F, T) F(T, LIST, pk_str, formats, "formats")
PK_MESSAGE(formats_response, FORMATS_RESPONSE)
#undef FORMATS_RESPONSE

#define DATA_PROCESSOR(M, C)                                                                                  \
    M(C, process, "POST /process", process_request, process_response, 0)                                      \
    M(C, formats, "GET /formats", pk_none, formats_response, PK_IDEMPOTENT)
PK_CONTRACT(data_processor, "dataProcessor", "1.0.0", DATA_PROCESSOR)
#undef DATA_PROCESSOR

#endif
