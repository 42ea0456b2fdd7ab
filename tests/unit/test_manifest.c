/* test_manifest.c - manifests of three systems, and folders that have one. */
#include "unit.h"

/* ---- texts */

static const char databridge[] =
    "{\"id\":\"image-tool\",\"name\":\"Image Tool\",\"version\":\"1.2.3\",\"type\":\"processor\","
    "\"author\":\"DataBridge\",\"description\":\"Cuts \\u00e4 picture\",\"entryPoint\":\"bin/tool.sh\","
    "\"dependencies\":[\"db\",\"store@^1.2 || 3.0.0\"],"
    "\"optionalDependencies\":[\"cache@~2\"],\"config\":{\"level\":\"9\"},\"tags\":[\"image\",\"cut\"],"
    "\"minVersion\":\"1.0.0\","
    "\"license\":\"MIT\",\"resources\":{\"maxMemoryMB\":512,\"maxCpuPercent\":50.5,\"maxGoroutines\":100,"
    "\"maxFileHandles\":64,\"maxExecutionMs\":30000},\"labels\":{\"team\":\"a\"}}";

static const char blackhole[] =
    "{\"name\":\"analytics\",\"version\":\"2.0.0-rc.1\","
    "\"source\":{\"type\":\"local\",\"path\":\"./bin\",\"hash\":\"ab12\"},"
    "\"config\":{\"depth\":3,\"on\":[true]},"
    "\"dependencies\":[{\"name\":\"db\",\"version\":\">=1.0.0 <2\",\"optional\":false},"
    "{\"name\":\"cache\",\"version\":\"*\",\"optional\":true},{\"name\":\"bare\"}],"
    "\"resources\":{\"cpu\":25,\"memory\":128,\"disk\":10,\"network\":1.5},\"isolation\":\"process\","
    "\"author\":\"x\",\"license\":\"MIT\",\"homepage\":\"https://example.org\",\"repository\":\"r\",\"category\":\"data\","
    "\"capabilities\":[\"storage\",\"analytics\"],\"permissions\":[\"network\"]}";

static const char go_plugins[] =
    "{\"name\":\"auth-service\",\"version\":\"1.0.0\",\"description\":\"d\",\"author\":\"a\","
    "\"capabilities\":[\"authenticate\"],"
    "\"tags\":[\"auth\"],\"metadata\":{\"x\":1},\"transport\":\"exec\",\"endpoint\":\"auth\","
    "\"requirements\":{\"min_go_version\":\"1.21\",\"required_plugins\":[\"db@^1.0.0\"],\"optional_plugins\":[\"log\"],"
    "\"environment_vars\":[\"HOME\"]},\"resources\":{\"max_memory_mb\":64,\"max_connections\":7,\"max_requests\":9},"
    "\"env\":[\"LOG_LEVEL=info\",\"EMPTY=\",\"TWO=a=b\"]}";

#define BRIDGE(more) "{\"id\":\"a\",\"name\":\"a\",\"version\":\"1.0.0\",\"type\":\"processor\"" more "}"
#define PLAIN(more) "{\"name\":\"a\",\"version\":\"1.0.0\"" more "}"

static pk_err parse(pk_mem *mem, const char *file, const char *text, pk_manifest *m, pk_error *err)
{
    size_t len = strlen(text);
    return pk_manifest_parse(mem, file, (pk_str){test_guarded(text, len), len}, m, err);
}

TEST(manifest, of_databridge_becomes_the_record)
{
    pk_mem mem = {.alloc = test_alloc()};
    pk_manifest m;
    REQUIRE_OK(parse(&mem, "manifest.json", databridge, &m, NULL));
    CHECK_INT(m.form, ==, PK_MANIFEST_DATABRIDGE);
    CHECK_PK_STR(m.id, "image-tool");
    CHECK_PK_STR(m.name, "Image Tool");
    CHECK_PK_STR(m.version, "1.2.3");
    CHECK_PK_STR(m.type, "processor");
    CHECK_PK_STR(m.author, "DataBridge");
    CHECK_PK_STR(m.description, "Cuts \xC3\xA4 picture");
    CHECK_PK_STR(m.license, "MIT");
    CHECK_PK_STR(m.entry, "bin/tool.sh");
    CHECK_PK_STR(m.config, "{\"level\":\"9\"}");
    REQUIRE(m.tags.count == 2 && m.dependencies.count == 3 && m.labels.count == 1);
    CHECK_PK_STR(m.tags.items[1], "cut");
    CHECK_PK_STR(m.dependencies.items[0].id, "db");
    CHECK_PK_STR(m.dependencies.items[0].range, "");
    CHECK_PK_STR(m.dependencies.items[1].id, "store");
    CHECK_PK_STR(m.dependencies.items[1].range, "^1.2 || 3.0.0");
    CHECK(!m.dependencies.items[1].optional && m.dependencies.items[2].optional);
    CHECK_PK_STR(m.labels.keys[0], "team");
    CHECK(m.resources.memory_mb == 512);
    CHECK(m.resources.cpu_percent == 50.5);
    CHECK_UINT(m.resources.threads, ==, 100);
    CHECK_UINT(m.resources.files, ==, 64);
    CHECK_INT(m.resources.execution_ns, ==, 30000000000);
    CHECK_PK_STR(m.json, databridge);
    CHECK_PK_STR(m.homepage, "");
    pk_mem_free(&mem);
}

TEST(manifest, of_blackhole_becomes_the_record)
{
    pk_mem mem = {.alloc = test_alloc()};
    pk_manifest m;
    REQUIRE_OK(parse(&mem, "plugin.json", blackhole, &m, NULL));
    CHECK_INT(m.form, ==, PK_MANIFEST_BLACKHOLE);
    CHECK_PK_STR(m.id, "analytics");
    CHECK_PK_STR(m.version, "2.0.0-rc.1");
    CHECK_PK_STR(m.entry, "./bin");
    CHECK_PK_STR(m.source, "local");
    CHECK_PK_STR(m.hash, "ab12");
    CHECK_PK_STR(m.isolation, "process");
    CHECK_PK_STR(m.category, "data");
    REQUIRE(m.dependencies.count == 3 && m.capabilities.count == 2 && m.permissions.count == 1);
    CHECK_PK_STR(m.dependencies.items[0].range, ">=1.0.0 <2");
    CHECK(m.dependencies.items[1].optional && !m.dependencies.items[2].optional);
    CHECK_PK_STR(m.dependencies.items[1].range, "");
    CHECK_PK_STR(m.capabilities.items[1], "analytics");
    CHECK(m.resources.network_mbps == 1.5);
    CHECK(m.resources.disk_mb == 10);
    pk_mem_free(&mem);
}

TEST(manifest, of_go_plugins_becomes_the_record)
{
    static const char *const files[] = {"plugin.json", "manifest.json", NULL};
    pk_mem mem = {.alloc = test_alloc()};
    for (size_t i = 0; i < PK__COUNT(files); i++) {
        pk_manifest m;
        REQUIRE_OK(parse(&mem, files[i], go_plugins, &m, NULL));
        CHECK_INT(m.form, ==, PK_MANIFEST_GO_PLUGINS);
        CHECK_PK_STR(m.id, "auth-service");
        CHECK_PK_STR(m.entry, "auth");
        CHECK_PK_STR(m.endpoint, "");
        CHECK_PK_STR(m.config, "null");
        REQUIRE(m.dependencies.count == 2 && m.env.count == 3 && m.env_names.count == 1);
        CHECK_PK_STR(m.dependencies.items[0].range, "^1.0.0");
        CHECK(m.dependencies.items[1].optional);
        CHECK_PK_STR(m.env.keys[2], "TWO");
        CHECK_PK_STR(m.env.values[2], "a=b");
        CHECK_PK_STR(m.env.values[1], "");
        CHECK_UINT(m.resources.connections, ==, 7);
        CHECK_UINT(m.resources.requests, ==, 9);
    }
    pk_mem_free(&mem);
}

TEST(manifest, other_ways_to_write_the_same)
{
    static const struct {
        const char *text, *entry, *endpoint, *dependencies;
    } rows[] = {
        {"{\"name\":\"a\",\"version\":\"1.0.0\",\"endpoint\":\"http://127.0.0.1:80\"}", "", "http://127.0.0.1:80", ""},
        {"{\"name\":\"a\",\"version\":\"1.0.0\",\"transport\":\"grpc\",\"endpoint\":\"h:90\"}", "", "h:90", ""},
        {"{\"name\":\"a\",\"version\":\"1.0.0\",\"executable\":\"x\",\"endpoint\":\"y\"}", "x", "", ""},
        {"{\"name\":\"a\",\"version\":\"1\",\"dependencies\":{\"b\":\"^1\",\"c\":\"*\"}}", "", "", "b^1 c "},
        {"{\"name\":\"a\",\"version\":\"1\",\"dependencies\":[\"b@>=1 <2\",{\"id\":\"c\",\"version\":null}]}", "", "",
         "b>=1 <2 c "},
        {PLAIN(",\"dependencies\":null,\"tags\":null,\"resources\":null,\"source\":null"), "", "", ""},
        {"{\"id\":\"a\",\"name\":\"a\",\"version\":\"1\",\"type\":\"reporting\",\"dependencies\":[]}", "", "", ""},
    };
    pk_mem mem = {.alloc = test_alloc()};
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            pk_manifest m;
            char text[100] = "";
            CHECK_OK(parse(&mem, "plugin.json", rows[i].text, &m, NULL));
            for (size_t k = 0; k < m.dependencies.count; k++) {
                size_t len = strlen(text);
                snprintf(text + len, sizeof(text) - len, "%" PK_FMT "%" PK_FMT " ", PK_ARG(m.dependencies.items[k].id),
                         PK_ARG(m.dependencies.items[k].range));
            }
            CHECK_PK_STR(m.entry, rows[i].entry);
            CHECK_PK_STR(m.endpoint, rows[i].endpoint);
            CHECK(strncmp(text, rows[i].dependencies, strlen(rows[i].dependencies)) == 0);
        }
    }
    pk_mem_free(&mem);
}

TEST(manifest, says_what_is_wrong)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "cannot use manifest.json: it is empty"},
        {" ", "line 1, column 2"},
        {"{", "cannot decode manifest: line 1, column 2"},
        {"[]", "expected object, got []"},
        {"\"x\"", "expected object"},
        {"{}", "cannot use manifest.json: manifest missing required field: id"},
        {"{\"name\":\"a\",\"version\":\"1\",\"type\":\"processor\"}", "manifest missing required field: id"},
        {"{\"id\":\"a\",\"version\":\"1\",\"type\":\"processor\"}", ": missing required field: name"},
        {"{\"id\":\"a\",\"name\":\"a\",\"type\":\"processor\"}", ": missing required field: version"},
        {"{\"id\":\"a\",\"name\":\"a\",\"version\":\"1\"}", ": missing required field: type"},
        {"{\"id\":\"\",\"name\":\"a\",\"version\":\"1\",\"type\":\"processor\"}", "missing required field: id"},
        {"{\"id\":\"a\",\"name\":\"a\",\"version\":\"1\",\"type\":\"robot\"}", "invalid plugin type: robot"},
        {"{\"id\":\"a b\",\"name\":\"a\",\"version\":\"1\",\"type\":\"processor\"}", "invalid id: a b: 1 to 64"},
        {"{\"id\":\"../x\",\"name\":\"a\",\"version\":\"1\",\"type\":\"processor\"}", "invalid id: ../x"},
        {"{\"id\":\"a\\u0000b\",\"name\":\"a\",\"version\":\"1\",\"type\":\"processor\"}", "invalid id: a\\x00b"},
        {BRIDGE(",\"dependencies\":[\"b\",5]"), "dependency at index 1 must be a string"},
        {BRIDGE(",\"dependencies\":[{\"name\":\"b\"}]"), "dependency at index 0 must be a string"},
        {BRIDGE(",\"dependencies\":{\"b\":\"1\"}"), "dependencies must be a list"},
        {BRIDGE(",\"dependencies\":\"b\""), "dependencies must be a list"},
        {BRIDGE(",\"dependencies\":[\"b\",\"-c\"]"), "dependency at index 1: '-c' is no plugin's name"},
        {BRIDGE(",\"dependencies\":[\"b\",\"c\",\"b@1\"]"), "dependency 'b' stands there twice"},
        {BRIDGE(",\"dependencies\":[\"b@>>1\"]"), "dependency 'b': '>>1' is no range of versions"},
        {BRIDGE(",\"config\":{\"a\":\"x\",\"b\":5}"), "config 'b' must be a string"},
        {BRIDGE(",\"config\":[]"), "config must be an object"},
        {BRIDGE(",\"id\":\"b\""), "stands there twice"},
        {BRIDGE(",\"x\":{\"y\":1,\"y\":2}"), "stands there twice"},
        {BRIDGE(",\"name\":5"), "cannot decode manifest: name: expected string, got 5"},
        {PLAIN(",\"source\":{\"path\":\"a\\u0000b\"}"), "invalid entry point: a\\x00b"},
        {PLAIN(",\"source\":{\"type\":\"moon\"}"), "invalid source type: moon"},
        {PLAIN(",\"source\":{\"path\":[]}"), "source.path: expected string, got []"},
        {PLAIN(",\"isolation\":\"strong\""), "invalid isolation level: strong"},
        {PLAIN(",\"transport\":\"smoke\""), "invalid transport: smoke"},
        {"{\"name\":\"a\",\"version\":\"1.0\",\"transport\":\"exec\"}", "invalid version: 1.0"},
        {"{\"name\":\"a\",\"source\":{}}", ": missing required field: version"},
        {PLAIN(",\"requirements\":{\"required_plugins\":5}"), "required_plugins must be a list"},
        {PLAIN(",\"requirements\":{\"environment_vars\":[1]}"), "environment_vars[0]: expected string, got 1"},
        {PLAIN(",\"resources\":{\"memory\":-1}"), "resources must not be negative"},
        {PLAIN(",\"resources\":{\"max_connections\":-1}"), "resources.max_connections: expected"},
        {PLAIN(",\"resources\":{\"cpu\":\"much\"}"), "resources.cpu: expected number, got \"much\""},
        {PLAIN(",\"source\":{},\"dependencies\":[{}]"), "dependency at index 0 has no name"},
        {PLAIN(",\"source\":{},\"dependencies\":[{\"name\":\"b\",\"version\":1}]"), "its version must be a string"},
        {PLAIN(",\"source\":{},\"dependencies\":[{\"name\":\"b\",\"optional\":1}]"), "optional must be true or false"},
        {PLAIN(",\"source\":{},\"env\":[\"NOVALUE\"]"), "env: entry 0 is no NAME=value"},
        {PLAIN(",\"source\":{},\"env\":[\"=x\"]"), "env: entry 0 is no NAME=value"},
        {PLAIN(",\"source\":{},\"env\":{\"A\":\"1\",\"B\":\"a\\u0000\"}"), "env: entry 1 is no NAME=value"},
        {PLAIN(",\"source\":{},\"env\":5"), "env must be a list or an object"},
        {PLAIN(",\"source\":{},\"labels\":{\"a\":1}"), "labels.a: expected string, got 1"},
    };
    for (size_t i = 0; i < PK__COUNT(rows); i++) {
        CASE("%s", rows[i].text)
        {
            pk_mem mem = {.alloc = test_alloc()};
            pk_manifest m;
            pk_error err = {0};
            CHECK(parse(&mem, "manifest.json", rows[i].text, &m, &err) != PK_OK);
            CHECK_CONTAINS(err.msg, rows[i].says);
            CHECK_UINT(m.id.len + m.json.len, ==, 0);
            pk_mem_free(&mem);
        }
    }
}

/* Each value of the samples is replaced by one of each other type: a record, or an error with words. */
TEST(manifest, every_wrong_type_is_told)
{
    static const char *const samples[] = {databridge, blackhole, go_plugins};
    static const char *const values[] = {"null", "true", "5", "-1", "1.5e300", "\"text\"", "[]", "{}", "[[]]", "[5]",
                                         "{\"a\":5}", "[null]", "99999999999999999999"};
    size_t refused = 0, taken = 0;
    for (size_t s = 0; s < PK__COUNT(samples); s++) {
        pk_mem tree = {.alloc = test_alloc()};
        const pk_json_value *doc = NULL;
        REQUIRE_OK(pk_json_parse(&tree, pk_str_from(samples[s]), &doc, NULL));
        for (const pk_json_value *hit = pk_json_first(doc); hit; hit = pk_json_next(doc, hit)) {
            for (size_t k = 0; k < PK__COUNT(values); k++) {
                pk_mem mem = {.alloc = test_alloc()};
                pk_manifest m;
                pk_error err = {0};
                pk_buf text;
                pk_json_writer w;
                pk_buf_init(&text, test_alloc(), 1 << 16);
                pk_json_write(&w, &text);
                pk_json_put_object(&w);
                for (const pk_json_value *v = pk_json_first(doc); v; v = pk_json_next(doc, v)) {
                    pk_json_put_key_str(&w, pk_json_key(v));
                    if (v == hit) {
                        pk_json_put_raw(&w, pk_str_from(values[k]));
                    } else {
                        pk_json_put_value(&w, v);
                    }
                }
                pk_json_put_end(&w);
                REQUIRE_OK(pk_json_finish(&w, NULL));
                if (pk_manifest_parse(&mem, "plugin.json", pk_buf_str(&text), &m, &err)) {
                    refused++;
                    CHECK(err.msg[0] != '\0' && m.id.len == 0);
                } else {
                    taken++;
                    CHECK(m.id.len > 0 && m.version.len > 0);
                }
                pk_buf_free(&text);
                pk_mem_free(&mem);
            }
        }
        pk_mem_free(&tree);
    }
    CHECK_UINT(refused, >, 300);
    CHECK_UINT(taken, >, 50); // null is nothing, and what nobody knows may be anything
}

TEST(manifest, every_part_of_one_and_every_flipped_bit_is_an_error_or_a_record)
{
    static const char *const samples[] = {databridge, blackhole, go_plugins};
    for (size_t s = 0; s < PK__COUNT(samples); s++) {
        char text[2000];
        size_t len = strlen(samples[s]);
        for (size_t cut = 0; cut < len; cut++) {
            pk_mem mem = {.alloc = test_alloc()};
            pk_manifest m;
            pk_error err = {0};
            pk_str part = {test_guarded(samples[s], cut), cut};
            CHECK(pk_manifest_parse(&mem, "plugin.json", part, &m, &err) != PK_OK);
            CHECK_CONTAINS(err.msg, "cannot use plugin.json: ");
            pk_mem_free(&mem);
        }
        for (size_t bit = 0; bit < len * 8; bit++) {
            pk_mem mem = {.alloc = test_alloc()};
            pk_manifest m;
            pk_error err = {0};
            memcpy(text, samples[s], len + 1);
            text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
            if (pk_manifest_parse(&mem, "plugin.json", (pk_str){text, len}, &m, &err)) {
                CHECK_CONTAINS(err.msg, "cannot use plugin.json: ");
                CHECK_UINT(m.json.len, ==, 0);
            } else {
                CHECK(pk__service_is_name(m.id) && m.version.len > 0 && m.json.len == len);
            }
            pk_mem_free(&mem);
        }
    }
}

TEST(manifest, has_a_greatest_size_and_so_many_dependencies)
{
    pk_mem mem = {.alloc = test_alloc()};
    pk_manifest m;
    pk_error err = {0};
    pk_buf text;
    pk_buf_init(&text, test_alloc(), 4 << 20);
    REQUIRE(pk_buf_printf(&text, PLAIN(",\"source\":{},\"dependencies\":[")));
    text.len--; // the brace
    for (int i = 0; i < 1001; i++) {
        REQUIRE(pk_buf_printf(&text, "%s\"d%d\"", i ? "," : "", i));
    }
    REQUIRE(pk_buf_printf(&text, "]}"));
    CHECK_ERR(pk_manifest_parse(&mem, "plugin.json", pk_buf_str(&text), &m, &err), PK_ERR_LIMIT);
    CHECK_CONTAINS(err.msg, "it has more than 1000 dependencies");
    text.len -= 2 + 8;
    REQUIRE(pk_buf_printf(&text, "]}"));
    CHECK_OK(pk_manifest_parse(&mem, "plugin.json", pk_buf_str(&text), &m, &err));
    CHECK_UINT(m.dependencies.count, ==, 1000);
    pk_buf_clear(&text);
    REQUIRE(pk_buf_printf(&text, PLAIN(",\"source\":{}")));
    while (text.len < 1024 * 1024) {
        REQUIRE(pk_buf_add_char(&text, ' '));
    }
    CHECK_OK(pk_manifest_parse(&mem, "plugin.json", pk_buf_str(&text), &m, &err));
    REQUIRE(pk_buf_add_char(&text, ' '));
    CHECK_ERR(pk_manifest_parse(&mem, "plugin.json", pk_buf_str(&text), &m, &err), PK_ERR_LIMIT);
    CHECK_STR(err.msg, "cannot use plugin.json: it is larger than 1 MiB");
    pk_buf_free(&text);
    pk_mem_free(&mem);
}

TEST(manifest, is_written_as_one_record)
{
    pk_mem mem = {.alloc = test_alloc()};
    pk_manifest m, again;
    pk_buf text;
    pk_error err = {0};
    pk_buf_init(&text, test_alloc(), 1 << 20);
    REQUIRE_OK(parse(&mem, "plugin.json", blackhole, &m, NULL));
    CHECK_OK(pk_json_encode(&text, &pk_type_pk_manifest, &m, &err));
    CHECK_OK(pk_json_decode(&mem, &pk_type_pk_manifest, pk_buf_str(&text), &again, &err));
    CHECK_PK_STR(again.dependencies.items[0].range, ">=1.0.0 <2");
    CHECK_PK_STR(again.json, blackhole);
    pk_buf_free(&text);
    pk_mem_free(&mem);
}

TEST(manifest, versions_are_held_against_ranges)
{
    CHECK(pk_version_in(PK_STR("1.4.0"), PK_STR("^1.2")));
    CHECK(!pk_version_in(PK_STR("2.0.0-rc.1"), PK_STR(">=1.0.0")));
    CHECK(!pk_version_in(PK_STR("1.4"), PK_STR("*")));
    CHECK(!pk_version_in(PK_STR("1.4.0"), PK_STR("latest")));
}

/* ---- folders */

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t len = strlen(text);
    REQUIRE(fd >= 0 && write(fd, text, len) == (ssize_t)len && fchmod(fd, mode) == 0);
    close(fd);
}

static void put_dir(const char *path)
{
    REQUIRE(mkdir(path, 0700) == 0);
}

typedef struct scan {
    pk_loop *loop;
    pk_manager_desc desc;
    pk__registry registry;
    pk__directory directory;
    pk_finder finder;
    pk_sink sink;
    char text[8192]; // "id path\n" or "id: why\n"
} scan;

static void no_work(void *user)
{
    (void)user;
}

static pk_err scan_run(scan *s, bool (*filter)(void *user, const char *path), pk_error *err)
{
    memset(s, 0, sizeof(*s));
    if (!TRY_OK(pk_loop_create(&s->loop, NULL, err))) {
        return PK_ERR_OS;
    }
    pk__registry_init(&s->registry, test_alloc(), &s->desc, s->loop);
    s->registry.work.run = no_work;
    s->finder = pk__directory_finder(&s->directory, test_alloc(), "p", filter, NULL);
    s->sink.registry = &s->registry;
    s->sink.finder = &s->finder;
    pk_err code = pk__sink_start(&s->sink, err);
    for (pk__node *n = s->registry.plugins.next; n != &s->registry.plugins; n = n->next) {
        const pk__plugin *p = PK__OF(n, pk__plugin, node);
        size_t len = strlen(s->text);
        snprintf(s->text + len, sizeof(s->text) - len, p->why.code ? "%s: %s\n" : "%s %s\n", p->id,
                 p->why.code ? p->why.msg : p->path ? p->path : p->endpoint.address);
    }
    return code;
}

static void scan_end(scan *s)
{
    if (!s->loop) {
        return;
    }
    pk__sink_stop(&s->sink);
    pk_loop_unpost(s->loop, &s->registry.work);
    pk__registry_deinit(&s->registry);
    pk_loop_destroy(s->loop);
}

/* A folder p/NAME with a manifest of Blackhole's that has `more` in it, and an executable. */
static void put_plugin(const char *name, const char *more, const char *program)
{
    char path[300], text[2000];
    snprintf(path, sizeof(path), "p/%s", name);
    put_dir(path);
    snprintf(path, sizeof(path), "p/%s/plugin.json", name);
    snprintf(text, sizeof(text), "{\"name\":\"%s\",\"version\":\"1.0.0\"%s}", name, more);
    put(path, text, 0644);
    if (program) {
        snprintf(path, sizeof(path), "p/%s/%s", name, program);
        put(path, "x", 0755);
    }
}

TEST(folder, with_a_manifest_is_a_plugin_and_without_one_holds_some)
{
    scan s;
    put_dir("p");
    put("p/plain", "x", 0755);
    put_dir("p/more");
    put("p/more/inner", "x", 0755);
    put_plugin("named", ",\"source\":{\"path\":\"run.sh\"}", "run.sh");
    put("p/named/helper", "x", 0755); // belongs to it
    put_plugin("same", "", "same");
    put_plugin("dotted", ",\"source\":{\"path\":\"./tool.bin\"}", "tool.bin");
    put_plugin("dots", ",\"source\":{\"path\":\"././x\"}", NULL);
    put_dir("p/bridge");
    put("p/bridge/manifest.json", "{\"id\":\"bridge\",\"name\":\"B\",\"version\":\"1\",\"type\":\"controller\","
                                  "\"entryPoint\":\"bin/go\"}", 0600);
    put_dir("p/bridge/bin");
    put("p/bridge/bin/go", "x", 0755);
    put_plugin("there", ",\"endpoint\":\"http://127.0.0.1:9\"", NULL);
    CHECK_OK(scan_run(&s, NULL, NULL));
    CHECK_STR(s.text, "bridge p/bridge/bin/go\n"
                      "dots: cannot use 'p/dots/plugin.json': cannot run its entry './x': it must be a path below its "
                      "folder\n"
                      "dotted p/dotted/tool.bin\n"
                      "inner p/more/inner\n"
                      "named p/named/run.sh\n"
                      "plain p/plain\n"
                      "same p/same/same\n"
                      "there http://127.0.0.1:9\n");
    const pk__plugin *named = pk__registry_find(&s.registry, PK_STR("named"));
    REQUIRE(named && named->about);
    CHECK_PK_STR(named->about->manifest.version, "1.0.0");
    CHECK_PK_STR(named->version, "1.0.0");
    CHECK(pk__registry_find(&s.registry, PK_STR("plain"))->about == NULL);
    scan_end(&s);
}

TEST(folder, what_is_wrong_with_it_is_told_under_its_name)
{
    scan s;
    static char large[1024 * 1024 + 2];
    put_dir("p");
    put_plugin("absent", "", NULL);
    put_plugin("above", ",\"source\":{\"path\":\"../x\"}", NULL);
    put_plugin("abs", ",\"source\":{\"path\":\"/bin/sh\"}", NULL);
    put_plugin("far", ",\"source\":{\"type\":\"remote\"}", NULL);
    put_plugin("grpc", ",\"transport\":\"grpc\",\"endpoint\":\"h:1\"", NULL);
    put_plugin("library", ",\"source\":{\"path\":\"l.so\"}", "l.so");
    put_plugin("loose", ",\"source\":{\"path\":\"d/x\"}", NULL);
    put_dir("p/loose/d");
    put("p/loose/d/x", "x", 0755);
    REQUIRE(chmod("p/loose/d", 0777) == 0);
    put_plugin("writable", "", "writable");
    REQUIRE(chmod("p/writable/writable", 0757) == 0);
    put_plugin("dull", "", "dull");
    REQUIRE(chmod("p/dull/dull", 0644) == 0);
    put_plugin("public", "", "public");
    REQUIRE(chmod("p/public/plugin.json", 0666) == 0);
    put_plugin("link", ",\"source\":{\"path\":\"x\"}", NULL);
    REQUIRE(symlink("/bin/sh", "p/link/x") == 0);
    put_plugin("byway", ",\"source\":{\"path\":\"d/sh\"}", NULL);
    REQUIRE(symlink("/bin", "p/byway/d") == 0);
    put_plugin("two", "", "two");
    put("p/two/manifest.json", "{}", 0644);
    put_dir("p/other");
    put("p/other/plugin.json", "{\"name\":\"another\",\"version\":\"1.0.0\"}", 0644);
    put_dir("p/empty");
    put("p/empty/manifest.json", "", 0644);
    put_dir("p/linked");
    REQUIRE(symlink("../two/plugin.json", "p/linked/plugin.json") == 0);
    put_dir("p/folder");
    put_dir("p/folder/plugin.json");
    put_dir("p/large");
    memset(large, ' ', sizeof(large) - 1);
    put("p/large/plugin.json", large, 0644);
    CHECK_OK(scan_run(&s, NULL, NULL));
    CHECK_CONTAINS(s.text, "absent: cannot use 'p/absent/plugin.json': it names no entry; cannot run 'absent': there "
                           "is no such file\n");
    CHECK_CONTAINS(s.text, "above: cannot use 'p/above/plugin.json': cannot run its entry '../x': it must be a path");
    CHECK_CONTAINS(s.text, "abs: cannot use 'p/abs/plugin.json': cannot run its entry '/bin/sh': it must be a");
    CHECK_CONTAINS(s.text, "far: cannot use 'p/far/plugin.json': its source is remote: only what is in the folder");
    CHECK_CONTAINS(s.text, "grpc: cannot use 'p/grpc/plugin.json': its transport is grpc, which this build does not");
    CHECK_CONTAINS(s.text, "'l.so': it is a shared object, and manifests name programs\n");
    CHECK_CONTAINS(s.text, "'d/x': everybody may change what is in 'd': chmod o-w it\n");
    CHECK_CONTAINS(s.text, "cannot run 'writable': everybody may write to it: chmod o-w 'p/writable/writable'\n");
    CHECK_CONTAINS(s.text, "cannot run 'dull': it is not executable: chmod +x 'p/dull/dull'\n");
    CHECK_CONTAINS(s.text, "public: cannot use 'p/public/plugin.json': everybody may write to it: chmod o-w it\n");
    CHECK_CONTAINS(s.text, "cannot run its entry 'x': it is a symbolic link\n");
    CHECK_CONTAINS(s.text, "byway: cannot use 'p/byway/plugin.json': cannot run its entry 'd/sh': ");
    CHECK_CONTAINS(s.text, "two: cannot use 'p/two/manifest.json': it has a manifest.json and a plugin.json");
    CHECK_CONTAINS(s.text, "other: cannot use 'p/other/plugin.json': its name is 'another', and its folder is called");
    CHECK_CONTAINS(s.text, "empty: cannot use 'p/empty/manifest.json': it is empty\n");
    CHECK_CONTAINS(s.text, "linked: cannot use 'p/linked/plugin.json': it is a symbolic link");
    CHECK_CONTAINS(s.text, "folder: cannot use 'p/folder/plugin.json': it is no file\n");
    CHECK_CONTAINS(s.text, "large: cannot use 'p/large/plugin.json': it is larger than 1 MiB\n");
    CHECK(pk__registry_find(&s.registry, PK_STR("empty")) != NULL); // others that need it are told of it
    CHECK(strstr(s.text, "bin/sh\n") == NULL);
    scan_end(&s);
}

static bool nothing_but_b(void *user, const char *path)
{
    (void)user;
    return strstr(path, "/b/") != NULL;
}

TEST(folder, may_be_left_out_by_the_host)
{
    scan s;
    put_dir("p");
    put_plugin("a", "", "a");
    put_plugin("b", "", "b");
    CHECK_OK(scan_run(&s, nothing_but_b, NULL));
    CHECK_STR(s.text, "b p/b/b\n");
    scan_end(&s);
}

TEST(folder, of_the_plugins_is_none_itself_and_ids_are_taken_once)
{
    scan s;
    put_dir("p");
    put("p/plugin.json", "{\"name\":\"p\",\"version\":\"1\"}", 0644);
    put("p/a", "x", 0755);
    put_dir("p/sub");
    put_dir("p/sub/a");
    put("p/sub/a/plugin.json", "{\"name\":\"a\",\"version\":\"1\"}", 0644);
    put("p/sub/a/a", "x", 0755);
    CHECK_OK(scan_run(&s, NULL, NULL));
    CHECK_STR(s.text, "a p/a\na: cannot add plugin 'a': the id is taken by 'p/a'\n");
    scan_end(&s);
}

TEST(folder, is_read_by_itself_too)
{
    pk_mem mem = {.alloc = test_alloc()};
    pk_manifest m;
    pk_error err = {0};
    put_dir("p");
    put_plugin("a", "", NULL);
    CHECK_OK(pk_manifest_read(&mem, "p/a", &m, &err));
    CHECK_PK_STR(m.id, "a");
    CHECK_ERR(pk_manifest_read(&mem, "p", &m, &err), PK_ERR_NOT_FOUND);
    CHECK_STR(err.msg, "manifest.json not found in p");
    CHECK_ERR(pk_manifest_read(&mem, "q", &m, &err), PK_ERR_NOT_FOUND);
    put("p/a/plugin.json", "{\"name\":\"b\",\"version\":\"1\"}", 0644);
    CHECK_ERR(pk_manifest_read(&mem, "p/a", &m, &err), PK_ERR_CONFIG);
    CHECK_STR(err.msg, "cannot use 'p/a/plugin.json': its name is 'b', and its folder is called 'a'");
    pk_mem_free(&mem);
}

TEST_TORTURE(manifest, survives_each_failure)
{
    pk_mem mem = {.alloc = test_alloc()};
    pk_manifest m;
    if (pk_manifest_parse(&mem, "manifest.json", pk_str_from(databridge), &m, NULL) == PK_OK) {
        CHECK_PK_STR(m.id, "image-tool");
    }
    pk_mem_free(&mem);
}

TEST_TORTURE(folder, survives_each_failure)
{
    scan s;
    put_dir("p");
    put_plugin("good", ",\"source\":{\"path\":\"d/x\"},\"env\":{\"A\":\"1\"}", NULL);
    put_dir("p/good/d");
    put("p/good/d/x", "x", 0755);
    put_plugin("bad", "", NULL);
    (void)TRY_OK(scan_run(&s, NULL, NULL));
    scan_end(&s);
}
