"""Plugins that somebody else runs: dropped into a directory, or started by hand and told of in PLUGKIT_REATTACH."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from conftest import PROGRAMS, ROOT
from driven import is_alive
from plugkit_pytest import wait_until
from test_survive import COUNTER, about, count

PROBE = ROOT / "integration" / "plugins" / "probe.c"


class ByHand:
    """A plugin that is started with --listen, as a person does it."""

    def __init__(self, program, address):
        self.process = subprocess.Popen([program, "--listen", str(address)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        self.line = self.process.stderr.readline().strip()
        name, _, text = self.line.partition("=")
        assert name == "PLUGKIT_REATTACH"
        self.quoted = text
        # as the shell takes it
        self.text = subprocess.run(["/bin/sh", "-c", f"printf %s {text}"], capture_output=True, check=True).stdout

    @property
    def pid(self):
        return self.process.pid

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def by_hand(free_dir):
    started = []

    def start(program, address):
        started.append(ByHand(program, address))
        return started[-1]

    yield start
    for one in started:
        one.end()


@pytest.fixture
def drop(free_dir):
    folder = free_dir / "drop"
    folder.mkdir()
    return folder


@pytest.fixture
def counter(build):
    return build(COUNTER)


@pytest.fixture
def probe(build):
    return build(PROBE, f"-I{ROOT}/contracts")


# ---- the drop-in directory


@pytest.mark.parametrize("own_loop", [False, True])
def test_a_socket_that_is_there_already_is_found_at_the_start_and_called(driven, drop, by_hand, probe, own_loop):
    plugin = by_hand(probe, drop / "probe.sock")

    host = driven(attach_dir=drop, own_loop=own_loop)

    answer = host.call("probe", "GET /instance")
    assert (answer["error"], answer["body"]) == ("", "probe")
    tag = host.ask(do="call", contract="dataProcessor", type="other", method="formats")  # it said what it offers
    assert host.answer(tag)["body"] == '{"formats":["text/plain"]}'
    host.end()
    assert is_alive(plugin.pid)


def test_a_plugin_comes_goes_and_comes_again(driven, drop, by_hand, counter):
    host = driven(attach_dir=drop)
    assert host.list() == []

    first = by_hand(counter, drop / "one.sock")
    host.event("plugin.stopped", "one")
    assert count(host, "one") == 1
    assert host.stop("one")["error"] == ""
    assert is_alive(first.pid)  # only the connection is given up
    assert count(host, "one") == 2

    first.process.terminate()  # it removes its socket
    host.event("plugin.unloaded", "one")
    assert "it has been removed" in host.call("one", "POST /count")["msg"]

    by_hand(counter, drop / "one.sock")
    wait_until(lambda: not host.call("one", "POST /count")["error"], "it to be there again")
    host.end()


def test_one_that_does_not_answer_yet_is_asked_again_and_delays_nobody(driven, drop, by_hand, counter):
    slow = by_hand(counter, drop / "slow.sock")
    os.kill(slow.pid, signal.SIGSTOP)
    by_hand(counter, drop / "quick.sock")
    (drop / "dead.sock").write_text("no socket at all")

    host = driven(attach_dir=drop)

    assert {plugin["id"]: plugin["plugin_status"] for plugin in host.list()} | {"dead": 0, "slow": 0} == {
        "dead": 0, "quick": "ready", "slow": 0}  # the others are tried again and again
    why = [line["why"] for line in host.lines() if line.get("event") == "plugin.backoff"]
    assert any(line.startswith("cannot reach 'dead': cannot connect to 'http+unix://") for line in why)
    assert any(line.startswith("cannot reach 'slow': ") for line in why)
    os.kill(slow.pid, signal.SIGCONT)
    host.event("plugin.ready", "slow")
    assert count(host, "slow") == 1
    host.end()


def test_a_file_beside_it_says_the_rest(driven, drop, by_hand, counter, probe):
    away = by_hand(probe, "http://127.0.0.1:0")
    (drop / "away.json").write_text(json.dumps({"address": away.address, "token": "ab"}))
    by_hand(counter, drop / "near.sock")
    (drop / "near.json").write_text('{"capabilities":{"types":{"c":[{"type":"t"}]},"protocols":["plugkit/1"]}}')

    host = driven(attach_dir=drop)

    assert host.call("away", "GET /instance")["body"] == "probe"
    answer = host.answer(host.ask(do="call", contract="c", http="POST /count"))
    assert (answer["error"], answer["body"]) == ("", "1")
    assert host.plugin("away")["address"] == away.address
    host.end()


@pytest.mark.parametrize("text, why", [
    ("{", "it is not JSON"),
    ("[]", "cannot decode"),
    ('{"address":7}', "cannot decode"),
    ("{}", "it names no address"),
    ('{"address":"nonsense"}', "nonsense"),
    ('{"address":"http://127.0.0.1:1","token":"a\\nb"}', "its token holds odd characters"),
    ('{"address":"http://127.0.0.1:1","dialect":"klingon"}', "nobody knows the dialect 'klingon'"),
])
def test_what_cannot_be_used_is_told_of_and_looked_at_again(driven, drop, by_hand, counter, text, why):
    (drop / "bad.json").write_text(text)

    host = driven(attach_dir=drop)

    said = host.event("plugin.skipped", "bad")
    assert why in said["why"], said
    plugin = by_hand(counter, "http://127.0.0.1:0")
    (drop / "bad.new").write_text(json.dumps({"address": plugin.address}))
    (drop / "bad.new").rename(drop / "bad.json")
    host.event("plugin.stopped", "bad")
    assert count(host, "bad") == 1
    host.end()


def test_the_directory_must_be_ours(driven, drop, free_dir):
    drop.chmod(0o777)
    host = driven(attach_dir=drop, ready=False)
    assert "others may write to it" in host.find(lambda line: "ready" in line)["msg"]

    host = driven(attach_dir=free_dir / "nowhere", ready=False)
    assert "cannot attach plugins" in host.find(lambda line: "ready" in line)["msg"]


def test_one_that_dies_without_a_word_is_called_again_when_it_is_back(driven, drop, by_hand, counter):
    first = by_hand(counter, drop / "one.sock")
    host = driven(attach_dir=drop)
    assert count(host, "one") == 1

    first.end()  # by SIGKILL: the socket stays
    assert host.call("one", "POST /count")["error"]
    (drop / "one.sock").unlink()
    (drop / "one.sock.lock").unlink(missing_ok=True)
    by_hand(counter, drop / "one.sock")

    wait_until(lambda: not host.call("one", "POST /count", patience=60)["error"], "it to be back", 60)
    host.end()


def test_one_with_a_host_name_goes_away_and_comes_back(driven, drop, by_hand, counter):
    first = by_hand(counter, "http://127.0.0.1:0")
    address = first.address.replace("127.0.0.1", "localhost")
    (drop / "away.json").write_text(json.dumps({"address": address}))
    host = driven(attach_dir=drop)
    assert count(host, "away") == 1
    assert host.plugin("away")["address"] == address

    first.end()
    wait_until(lambda: host.call("away", "POST /count")["error"], "it to be missed")
    wait_until(lambda: host.plugin("away")["plugin_status"] == "backoff", "it to be given up")
    assert "'away'" in host.plugin("away")["msg"]
    assert host.call("away", "POST /count")["error"] == "PK_ERR_PLUGIN_CONNECTION"
    by_hand(counter, first.address)

    wait_until(lambda: not host.call("away", "POST /count")["error"], "it to be back")
    host.end()


# ---- by hand


def test_a_plugin_that_was_started_by_hand_is_used_where_it_runs(driven, free_dir, by_hand, counter):
    folder = free_dir / "plugins"
    folder.mkdir()
    shutil.copy(counter, folder / "counter")
    plugin = by_hand(counter, free_dir / "mine.sock")

    host = driven(dir=folder, env={"PLUGKIT_REATTACH": plugin.text.decode()})

    assert about(host) == {"pid": plugin.pid, "instance": "counter"}
    assert count(host) == 1
    assert [one["id"] for one in host.list()] == ["counter"]  # not that of the directory as well
    assert host.stop("counter")["error"] == ""
    assert is_alive(plugin.pid)
    assert count(host) == 2
    host.end()
    assert is_alive(plugin.pid)

    host = driven(dir=folder, reattach="", env={"PLUGKIT_REATTACH": plugin.text.decode()})
    assert about(host)["pid"] != plugin.pid
    host.end()


def test_the_command_takes_it_too(host, free_dir, by_hand, probe):
    (free_dir / "plugins").mkdir()
    plugin = by_hand(probe, free_dir / "mine.sock")
    env = {"PLUGKIT_REATTACH": plugin.text.decode()}

    result = host(PROGRAMS / "plugkit", "call", "plugins", "other", "formats", env=env)

    assert json.loads(result.stdout) == {"formats": ["text/plain"]}
    result = host(PROGRAMS / "plugkit", "call", "plugins", "probe", "formats", env={"PLUGKIT_REATTACH": "{"})
    assert result.stderr == "plugkit: cannot use PLUGKIT_REATTACH: it is not JSON\n"


def test_the_command_is_told_of_plugins_that_run_elsewhere(host, free_dir, by_hand, probe):
    (free_dir / "plugins").mkdir()
    plugin = by_hand(probe, "http://127.0.0.1:0")
    here = f"probe={plugin.address.replace('127.0.0.1', 'localhost')}"
    plugkit = PROGRAMS / "plugkit"

    result = host(plugkit, "call", "plugins", "other", "formats", "--attach", here)
    assert json.loads(result.stdout) == {"formats": ["text/plain"]}
    result = host(plugkit, "list", "plugins", "--attach", here, "--attach", "away=http://localhost:1", "--json")
    listed = {one["id"]: one for one in json.loads(result.stdout)["plugins"]}
    assert listed["probe"]["status"] == "ready" and listed["away"]["status"] == "backoff"
    assert listed["away"]["reason"]["message"].startswith("cannot reach 'away': ")
    result = host(plugkit, "inspect", "plugins", "probe", "--attach", here)
    assert f"address\t{here.partition('=')[2]}" in result.stdout and "health\tok" in result.stdout
    result = host(plugkit, "doctor", "plugins", "--attach", here, "--attach", "away=http://localhost:1")
    assert result.status == 1
    assert "ok    probe" in result.stdout and "curl reaches its /healthz from here" in result.stdout
    for bad in ("probe", "probe=nonsense", "a b=http://localhost:1"):
        assert host(plugkit, "list", "plugins", "--attach", bad).status == 2


@pytest.mark.parametrize("text, why", [
    ("garbage", "cannot use PLUGKIT_REATTACH: it is not JSON"),
    ("[]", "cannot use PLUGKIT_REATTACH: "),
    ("{} x", "cannot use PLUGKIT_REATTACH: it is not JSON"),
    ('{"shout":7}', "cannot use PLUGKIT_REATTACH: "),
    ('{"shout":{}}', "cannot use 'shout' of PLUGKIT_REATTACH: it names no address"),
    ('{"shout":{"address":"x"}}', "cannot use 'shout' of PLUGKIT_REATTACH: "),
    ('{"a b":{"address":"http://127.0.0.1:1"}}', "cannot use PLUGKIT_REATTACH: cannot name a plugin 'a b'"),
    ('{"":{"address":"http://127.0.0.1:1"}}', "cannot use PLUGKIT_REATTACH: cannot name a plugin ''"),
    ('{}}"plugins":{"a":{}', "cannot use PLUGKIT_REATTACH: it is not JSON"),
])
def test_nonsense_in_the_variable_is_one_clear_error(driven, text, why):
    host = driven(env={"PLUGKIT_REATTACH": text}, ready=False)

    said = host.find(lambda line: "ready" in line)
    assert said["msg"].startswith(why), said


def test_the_line_survives_the_shell(by_hand, build, free_dir):
    source = free_dir / "odd.c"
    source.write_text('#define PLUGKIT_SDK_IMPLEMENTATION\n#include "plugkit_sdk.h"\n'
                      "int main(int argc, char **argv)\n{\n"
                      '    pk_sdk_desc desc = {.id = "odd", .description = "it\'s $HOME `odd` \\"quoted\\" \\\\"};\n'
                      "    return pk_sdk_main(argc, argv, &desc);\n}\n")
    plugin = by_hand(build(source), free_dir / "odd.sock")

    entry = json.loads(plugin.text)["odd"]

    assert entry["capabilities"]["description"] == "it's $HOME `odd` \"quoted\" \\"
    assert entry["address"] == plugin.address
