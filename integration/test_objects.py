"""Plugins as shared objects and compiled in: one source in all ways, and shared objects that are no good."""

import json
import os
import pathlib
import shlex
import shutil
import struct
import subprocess

import pytest

from driven import ROOT, SHOUT, SOURCE, good, is_alive
from plugkit_pytest import wait_until

CC = shlex.split(os.environ.get("CC", "cc")) + ["-std=c11", "-O0", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}"]
SANITIZE = [flag for flag in shlex.split(os.environ.get("CFLAGS", "")) if flag.startswith("-fsanitize")]

# What it does is said by routes, and by files in its working directory.
PLUGIN = r"""
#define PLUGKIT_SDK_IMPLEMENTATION
#include "plugkit_sdk.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pk_sdk *here;
static bool is_there(const char *file)
{
    return access(file, F_OK) == 0;
}
__attribute__((constructor)) static void construct(void)
{
    if (is_there("exit 0")) {
        _exit(0);
    } else if (is_there("exit 7")) {
        exit(7);
    } else if (is_there("abort")) {
        abort();
    }
}
static pk_err fine(pk_response *response)
{
    response->body.bytes = PK_STR("\"fine\"");
    return here ? PK_OK : PK_ERR_MISUSE;
}
static pk_err go(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)err;
    return fine(response);
}
static pk_err slow(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)err;
    usleep(30000);
    return fine(response);
}
static pk_err wait_for_it(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)err;
    for (FILE *f = fopen("inside", "w"); f; f = NULL) {
        fclose(f);
    }
    while (!is_there("go on")) {
        usleep(1000);
    }
    return fine(response);
}
/* How many are inside at once; with workers it waits for a second one. */
static pk_err count(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    static int inside;
    int most = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    (void)user, (void)err;
    for (int i = 0; i < 20 || (WORKERS && most < 2 && i < 20000); i++) {
        int now = __atomic_load_n(&inside, __ATOMIC_SEQ_CST);
        most = now > most ? now : most;
        usleep(500);
    }
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    response->body.bytes = most > 1 ? PK_STR("many") : PK_STR("one");
    (void)request;
    return PK_OK;
}
static pk_err report(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    pk_health_report report = {PK_HEALTH_DEGRADED, "tired", "bed"};
    (void)user, (void)request, (void)err;
    pk_sdk_report(here, &report);
    return fine(response);
}
static pk_err stop(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)err;
    pk_sdk_stop(here);
    return fine(response);
}
static pk_err crash(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    (void)user, (void)request, (void)err;
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
    return fine(response);
}
static pk_err host(void *user, const pk_request *request, pk_response *response, pk_error *err)
{
    pk_call_desc call = {.contract = "greeter", .method = "greet"};
    pk_reply reply = {0};
    (void)user, (void)request;
    pk_err rc = pk_caller_call(pk_sdk_host(here), &call, &reply, err);
    pk_mem_free(&reply.mem);
    return rc ? rc : fine(response);
}
static const pk_route routes[] = {{"POST /go", 0, go, NULL}, {"POST /slow", 0, slow, NULL},
                                  {"POST /wait", 0, wait_for_it, NULL}, {"POST /count", 0, count, NULL},
                                  {"POST /report", 0, report, NULL}, {"POST /stop", 0, stop, NULL},
                                  {"POST /crash", 0, crash, NULL}, {"POST /host", 0, host, NULL}};
static const char *const config_types[] = {"mark", NULL};
static pk_err on_config(void *user, pk_str type, pk_json data, pk_error *err)
{
    (void)user, (void)type;
    return pk_str_is(data, "\"bad\"") ? pk_error_set(err, PK_ERR_CONFIG, "bad it is") : PK_OK;
}
static pk_err on_start(void *user, pk_sdk *p, pk_error *err)
{
    (void)user, (void)err;
    here = p;
    return is_there("refuse") ? PK_ERR_LIMIT : PK_OK;
}
static void on_close(void *user)
{
    (void)user;
    here = NULL;
    (void)!write(2, "closed\n", 7);
}
static const pk_sdk_desc desc = {.id = "one", .routes = routes, .route_count = 8, .config_types = config_types,
                                 .on_config = on_config, .on_start = on_start, .on_close = on_close,
                                 .workers = WORKERS, .loop = (pk_loop *)LOOP};
PK_PLUGIN(desc)
"""
PROGRAMS = pathlib.Path(os.environ.get("PLUGKIT_PROGRAMS", ROOT / "build"))
made = {}


def compiled(tmp_path_factory, *args, text=None, source=None):
    """What the compiler makes of a text or a file; the same is made once."""
    key = (args, text, source)
    if key not in made:
        folder = tmp_path_factory.mktemp("object")
        if text is not None:
            source = folder / "source.c"
            source.write_text(text)
        out = folder / "out"
        run = subprocess.run([*CC, *SANITIZE, *args, str(source), "-o", str(out), "-pthread"], stderr=subprocess.PIPE,
                             text=True, check=False)
        assert run.returncode == 0, run.stderr
        made[key] = out
    return made[key]


@pytest.fixture
def objects(free_dir, tmp_path_factory):
    """objects("one"): the plugin as a shared object in the plugin folder, which is returned."""
    folder = free_dir / "plugins"
    folder.mkdir(exist_ok=True)

    def add(name="one", workers=0, loop=0, flags=()):
        out = compiled(tmp_path_factory, "-DPLUGKIT_OBJECT", "-fPIC", "-shared", f"-DWORKERS={workers}",
                       f"-DLOOP={loop}", *flags, text=PLUGIN)
        shutil.copy(out, folder / f"{name}.so")
        return folder

    return add


def refused(driven, folder, what, id="one", **options):
    """The plugin `id` is refused with these words, and another one works beside it."""
    host = driven(dir=folder, **options)
    answer = host.call(id)
    assert answer["error"] != "" and what in answer["msg"], answer
    assert good(host.call("good"))
    host.end()


# ---- one source

ASKED = ['{"text":"hello"}', '{"text":""}', '{"text":5}', '{"text":"\\u00e4\\u0000x"}', "{}", "no json", "[]",
         '{"text":"a","more":[1,2]}', '{"text":"' + "x" * 100000 + '"}']


def answers(host):
    said = [host.call("shout", "POST /shout", body) for body in ASKED]
    said += [host.call("shout", "GET /nothing"), host.call("shout", "GET /shout"), host.call("shout", "GET /healthz"),
             host.call("shout", "POST /shout", size=9 << 20)]
    return [{key: value for key, value in one.items() if key != "tag"} for one in said]


def test_a_program_an_object_here_and_apart_and_what_is_compiled_in_answer_the_same(driven, driven_program, free_dir,
                                                                                   tmp_path_factory):
    for folder in ("programs", "objects"):
        (free_dir / folder).mkdir()
    shutil.copy(compiled(tmp_path_factory, source=SHOUT), free_dir / "programs" / "shout")
    shutil.copy(compiled(tmp_path_factory, "-DPLUGKIT_OBJECT", "-fPIC", "-shared", source=SHOUT),
                free_dir / "objects" / "shout.so")
    apart = [{"plugin": "shout", "isolation": "process"}]
    config = [{"type": "shout", "data": '"?"'}]
    said, where = {}, {}
    for name, options in {"program": {"dir": free_dir / "programs"},
                          "object": {"dir": free_dir / "objects"},
                          "probed apart": {"dir": free_dir / "objects", "runner": driven_program},
                          "apart": {"dir": free_dir / "objects", "runner": driven_program, "rules": apart},
                          "compiled": {"compiled": ["shout"]}}.items():
        host = driven(config=config, **options)
        said[name] = answers(host)
        where[name] = host.pid("shout") != 0
        host.end()
    assert said["program"][0]["body"] == '{"text":"HELLO?"}'
    assert said["program"][1]["msg"] == "cannot call 'shout': 400 Bad Request: cannot shout '': a text is needed"
    for name in said:
        assert said[name] == said["program"], name
    assert where == {"program": True, "object": False, "probed apart": False, "apart": True, "compiled": False}


def test_an_object_is_started_again_and_closed_each_time(driven, objects):
    host = driven(dir=objects())
    for _ in range(3):
        assert good(host.call("one"))
        assert host.stop("one")["error"] == ""
    host.end()
    assert [line["log"] for line in host.lines() if "log" in line] == []  # on_close writes to this program's stderr
    assert host.run.stderr.count("closed") == 3


def test_one_compiled_object_has_several_ids_and_each_is_disabled_alone(driven):
    host = driven(compiled=["left", "right"], providers=True)
    assert host.call("left", "POST /shout", {"text": "a"})["body"] == '{"text":"A!"}'
    assert host.disable("left")["error"] == ""
    assert host.call("left", "POST /shout", {"text": "a"})["error"] == "PK_ERR_PLUGIN_DISABLED"
    assert host.call("right", "POST /shout", {"text": "a"})["body"] == '{"text":"A!"}'
    assert host.enable("left")["error"] == ""
    assert host.call("left", "POST /shout", {"text": "a"})["body"] == '{"text":"A!"}'
    host.end()


# ---- how it runs

def test_calls_run_one_at_a_time_without_workers_and_together_with_them(driven, objects):
    objects("one")
    host = driven(dir=objects("many", workers=4))
    for name, said in (("one", "one"), ("many", "many")):
        tags = [host.begin(name, "POST /count", **({"async": True} if n % 2 and name == "one" else {}))
                for n in range(4)]
        assert {host.answer(tag)["body"] for tag in tags} == {said}
    host.end()


def test_a_call_that_takes_longer_than_its_deadline_is_told(driven, objects):
    host = driven(dir=objects())
    host.call("one", "POST /slow", timeout_ms=5)
    told = host.line(lambda line: "cannot be interrupted" in line.get("log", ""), "the warning")
    assert "a call of 'POST /slow' took" in told["log"] and "ms, and had " in told["log"]
    host.end()


def test_who_waits_for_a_busy_object_waits_no_longer_than_its_deadline(driven, objects, free_dir):
    host = driven(dir=objects(), cwd=free_dir)
    first = host.begin("one", "POST /wait", timeout_ms=60000)
    wait_until(lambda: (free_dir / "inside").exists(), "the first to be inside")
    for more in ({}, {"async": True}):
        answer = host.call("one", timeout_ms=100, **more)
        assert answer["error"] == "PK_ERR_PLUGIN_TIMEOUT", answer
    (free_dir / "go on").write_text("")
    assert good(host.answer(first))
    assert good(host.call("one"))
    host.end()


def test_a_stop_waits_for_the_call_that_is_inside(driven, objects, free_dir):
    host = driven(dir=objects(), cwd=free_dir, stop_ms=20)
    first = host.begin("one", "POST /wait")
    wait_until(lambda: (free_dir / "inside").exists(), "the call to be inside")
    stop = host.ask(do="stop", plugin="one")
    host.event("plugin.killed", "one")
    (free_dir / "go on").write_text("")
    host.answer(first)
    host.answer(stop)
    assert good(host.call("one"))
    host.end()
    assert host.run.stderr.count("closed") == 2


def test_what_an_object_says_of_its_health_is_heard(driven, objects):
    host = driven(dir=objects())
    assert good(host.call("one", "POST /report"))
    host.event("plugin.degraded", "one")
    assert (host.plugin("one")["health_reason"], host.plugin("one")["unavailable"]) == ("tired", "bed")
    host.end()


def test_it_is_asked_for_its_health(driven, objects):
    host = driven(dir=objects(), health_ms=20)
    assert good(host.call("one"))
    wait_until(lambda: host.plugin("one")["health"] == "healthy", "an answer to GET /healthz")
    host.end()


def test_an_object_may_stop_itself_and_the_next_call_starts_it(driven, objects):
    host = driven(dir=objects())
    assert good(host.call("one", "POST /stop"))
    wait_until(lambda: ("plugin.stopped", "one") in host.events()[4:], "its end")
    assert good(host.call("one"))
    host.end()


def test_calls_to_the_host_are_refused_in_its_process_and_work_apart(driven, driven_program, objects):
    folder = objects()
    host = driven(dir=folder, offers=True)
    assert "it runs in the host's process" in host.call("one", "POST /host")["msg"]
    host.end()
    host = driven(dir=folder, offers=True, runner=driven_program, rules=[{"isolation": "process"}])
    assert good(host.call("one", "POST /host"))
    host.end()


def test_an_isolated_object_crashes_alone(driven, driven_program, objects):
    objects("good")
    host = driven(dir=objects(), runner=driven_program, rules=[{"plugin": "one", "isolation": "process"}])
    assert host.call("one", "POST /crash")["error"] != ""
    host.event("plugin.backoff", "one")
    assert good(host.call("good"))
    assert host.pid("good") == 0
    host.end()


def test_an_isolated_object_ends_with_its_host(driven, driven_program, objects):
    host = driven(dir=objects(), runner=driven_program, rules=[{"isolation": "process"}])
    assert good(host.call("one"))
    pid = host.pid("one")
    runtime = host.runtime()
    host.tell(do="abort")
    wait_until(lambda: not is_alive(pid), "the plugin to end")
    shutil.rmtree(runtime)


def test_the_command_runs_objects_in_processes_of_their_own(host, objects, free_dir):
    command = PROGRAMS / "plugkit"
    folder = objects("fine")
    run = host(command, "call", folder, "--http", "POST /go", "fine")
    assert (run.status, run.stdout.strip()) == (0, '"fine"'), run.stderr
    run = host(command, "call", folder, "--http", "POST /crash", "fine")
    assert run.status == 1 and "fine" in run.stderr
    (free_dir / "exit 7").write_text("")
    run = host(command, "list", folder, "--json", cwd=free_dir)
    assert "exit status 7" in run.stdout


# ---- what is no good

@pytest.fixture
def good_beside(objects):
    objects("good")
    return objects


@pytest.mark.parametrize("file, what", [
    ("exit 0", "cannot use the capabilities of 'one': it printed nothing"),
    ("exit 7", "cannot probe 'one': exit status 7"),
    ("abort", "cannot probe 'one': signal 6 (aborted)"),
])
def test_constructors_that_exit_are_found_out_by_the_runner(driven, driven_program, objects, free_dir, file, what):
    (free_dir / file).write_text("")
    host = driven(dir=objects(), cwd=free_dir, runner=driven_program, compiled=["shout"])
    assert what in host.call("one")["msg"]
    assert host.call("shout", "POST /shout", {"text": "a"})["body"] == '{"text":"A!"}'
    host.end()


@pytest.mark.parametrize("config, file, what", [
    ([{"type": "mark", "data": '"bad"'}], "none", "cannot start 'one': bad it is"),
    ([{"plugin": "one", "type": "other", "data": "1"}], "none", "it declares no config type 'other'"),
    ([], "refuse", "cannot start 'one': "),
])
def test_errors_of_on_config_and_on_start_refuse_the_start(driven, objects, free_dir, config, file, what):
    (free_dir / file).write_text("")
    host = driven(dir=objects(), cwd=free_dir, config=config)
    answer = host.call("one")
    assert answer["error"] in ("PK_ERR_START", "PK_ERR_CONFIG") and what in answer["msg"], answer
    host.end()


def test_two_files_with_one_id_are_told(driven, objects):
    folder = objects()
    (folder / "a").mkdir()
    shutil.copy(folder / "one.so", folder / "a" / "one.so")
    host = driven(dir=folder)
    assert good(host.call("one"))
    second = [plugin for plugin in host.list() if plugin["id"] == "one" and plugin["msg"]]
    assert len(second) == 1 and "the id is taken by" in second[0]["msg"]
    host.end()


def spoil(path, at, *bytes_):
    data = bytearray(path.read_bytes())
    data[at:at + len(bytes_)] = bytes(bytes_)
    path.write_bytes(data)


@pytest.mark.parametrize("how, what", [
    ("machine", "it is for another processor: ELF machine 0"),
    ("class", "it is for another processor: 32-bit"),
    ("order", "it is for another processor: 64-bit, big-endian"),
    ("program", "no shared object"),
    ("text", "it is no ELF file"),
    ("empty", "it is no ELF file: it is too short"),
    ("half", "it is cut off: a segment ends behind the file"),
    ("head", "it is cut off: its ELF headers end too soon"),
    ("open to all", "everybody may write to it"),
])
@pytest.mark.parametrize("by_runner", [False, True], ids=["here", "by a runner"])
def test_files_that_are_no_shared_object_of_ours(driven, driven_program, good_beside, how, what, by_runner):
    folder = good_beside("one")
    path = folder / "one.so"
    size = path.stat().st_size
    if how == "machine":
        spoil(path, 18, 0, 0)
    elif how == "class":
        spoil(path, 4, 1)
    elif how == "order":
        spoil(path, 5, 2)
    elif how == "program":
        spoil(path, 16, 2)
    elif how == "text":
        path.write_text("#!/bin/sh\n" + "#" * 100)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "half":
        os.truncate(path, segments_end(path) - 4096)
    elif how == "head":
        os.truncate(path, 100)
    else:
        path.chmod(0o757)
    assert size
    if how == "open to all":
        host = driven(dir=folder, **({"runner": driven_program} if by_runner else {}))
        assert what in next(plugin["msg"] for plugin in host.list() if "one" in plugin["id"])
        host.end()
        return
    refused(driven, folder, what, **({"runner": driven_program} if by_runner else {}))


def segments_end(path):
    """Where the last segment ends that is loaded; 64-bit, this machine's order."""
    data = path.read_bytes()
    at, each, count = struct.unpack_from("=Q", data, 32)[0], *struct.unpack_from("=HH", data, 54)
    ends = [0]
    for i in range(count):
        kind, _, offset, _, _, size = struct.unpack_from("=IIQQQQ", data, at + i * each)
        ends.append(offset + size if kind == 1 else 0)
    return max(ends)


def descriptor(more):
    return f"""
#include "plugkit_sdk.h"
static const pk_object_layout *layout(void)
{{
    static const pk_object_layout table[] = {{{{"pk_object", sizeof(pk_object)}}, {more.get("row", '{NULL, 0}')},
                                              {{NULL, 0}}}};
    return table;
}}
const pk_object plugkit_plugin = {{"{more.get("magic", "plugkit")}", {more.get("abi", 1)},
    {more.get("size", "sizeof(pk_object)")}, "9.8.7", {more.get("layout", "layout")}, "", NULL,
    (void *)layout, (void *)layout, (void *)layout, (void *)layout, (void *)layout}};
"""


@pytest.mark.parametrize("text, what", [
    ("int nothing;", "it has no 'plugkit_plugin'"),
    ("int missing(void); int use(void); int use(void) { return missing(); }", "undefined symbol: missing"),
    ("char plugkit_plugin[8] = \"hello\";", "no descriptor of PlugKit's"),
    (descriptor({"magic": "plugkut"}), "no descriptor of PlugKit's"),
    (descriptor({"abi": 2}), "is of ABI 2"),
    (descriptor({"size": 8}), "with 8 bytes"),
    (descriptor({"layout": "NULL"}), "made with PlugKit 9.8.7, this is 0.1.0, and its descriptor is not complete"),
    (descriptor({"row": '{"pk_object_host", 4}'}), "pk_object_host has 4 bytes there"),
    (descriptor({"row": '{"something", 4}'}), "is only on one side"),
])
def test_descriptors_that_are_no_good(driven, good_beside, tmp_path_factory, text, what):
    folder = good_beside("good")
    out = compiled(tmp_path_factory, "-DPLUGKIT_WITH_DLOPEN", "-w", "-fPIC", "-shared", text=text)
    shutil.copy(out, folder / "one.so")
    refused(driven, folder, what)


def test_an_object_of_another_layout_is_refused_here_and_works_apart(driven, driven_program, good_beside):
    folder = good_beside("one", flags=("-fshort-enums",))
    refused(driven, folder, "-fshort-enums")
    refused(driven, folder, "-fshort-enums", runner=driven_program)  # it can tell what it offers, and no more
    host = driven(dir=folder, runner=driven_program, rules=[{"plugin": "one", "isolation": "process"}])
    assert good(host.call("one"))
    host.end()


@pytest.mark.parametrize("rules, what", [
    ([{"plugin": "one", "isolation": "process"}], "cannot give 'one' a process of its own: there is no object_runner"),
    ([{"plugin": "one", "survive": True}], "it cannot survive its host"),
    ([{"plugin": "one", "isolate": {"files": 100}}], "its rule has limits, and it runs in the process of its host"),
])
def test_rules_that_cannot_be_kept_are_refused(driven, good_beside, free_dir, rules, what):
    more = {"survive_as": "objects", "runtime": str(free_dir / "run")} if "survive" in rules[0] else {}
    refused(driven, good_beside("one"), what, rules=rules, **more)


def test_descriptions_that_need_a_process_are_refused(driven, good_beside):
    refused(driven, good_beside("one", loop=1), "its description has a loop of its own, which is only heeded in a")


@pytest.mark.musl
def test_a_static_program_has_no_dynamic_linker(objects, tmp_path):
    program = tmp_path / "driven"
    run = subprocess.run(["musl-gcc", "-std=c11", "-D_GNU_SOURCE", "-static", "-O0", f"-I{ROOT}", str(SOURCE), "-o",
                          str(program)], stderr=subprocess.PIPE, text=True, check=False)
    assert run.returncode == 0, run.stderr
    asked = subprocess.run([program, json.dumps({"dir": str(objects("one"))})], text=True,
                           stdout=subprocess.PIPE, input='{"do":"list","tag":"x"}\n', timeout=60, check=False)
    said = next(line for line in map(json.loads, asked.stdout.splitlines()) if line.get("tag") == "x")
    assert said["list"][0]["error"] == "PK_ERR_UNSUPPORTED", said
    assert "this program is linked statically" in said["list"][0]["msg"]
