"""What a host knows of its plugins' health, from its own questions and from what they say themselves."""

import json
import shutil

import pytest

from conftest import ROOT
from driven import install
from plugkit_pytest import wait_until


PROBE = ROOT / "integration" / "plugins" / "probe.c"


def health(host, name):
    plugin = host.plugin(name)
    return plugin["plugin_status"], plugin["health"], plugin["health_reason"], plugin["unavailable"]


def test_reports_are_heard_at_once(driven, plugins, build):
    shutil.copy(build(PROBE, f"-I{ROOT}/contracts"), plugins / "probe")
    host = driven(dir=plugins)  # which asks every ten seconds: none of this comes from asking
    assert health(host, "probe")[1] == ""
    assert host.call("probe", "GET /instance")["error"] == ""
    assert health(host, "probe") == ("ready", "unknown", "", "")
    assert host.plugin("probe")["up_time"] > 0

    host.call("probe", "POST /report", "dslow disk;db,cache")

    why = host.event("plugin.degraded", "probe")["why"]
    assert why == "plugin 'probe' is degraded: slow disk (unavailable: db,cache)"
    assert health(host, "probe") == ("degraded", "degraded", "slow disk", "db,cache")
    host.call("probe", "POST /report", "h")
    host.event("plugin.recovered", "probe")
    assert health(host, "probe") == ("ready", "healthy", "", "")
    host.end()


def test_one_that_says_that_it_is_not_well_is_asked_and_then_started_anew(driven, plugins, build):
    shutil.copy(build(PROBE, f"-I{ROOT}/contracts"), plugins / "probe")
    host = driven(dir=plugins, health_ms=30)
    host.call("probe", "GET /instance")

    host.call("probe", "POST /report", "uno disk;")

    assert "plugin 'probe' is not healthy: " in host.event("plugin.backoff", "probe")["why"]
    wait_until(lambda: host.plugin("probe")["plugin_status"] == "ready", "the next one")
    plugin = host.plugin("probe")
    assert (plugin["crashes"], plugin["starts"]) == (1, 2)
    host.end()


def answer(body):
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}"


@pytest.mark.parametrize("body, expected", [
    ('{"status":"degraded","reason":"tired","unavailable":["a,b","","c"]}', ("degraded", "degraded", "tired", "a,b,c")),
    ('{"status":"fine, thanks"}', ("ready", "healthy", "", "")),
    ('{"status":7,"reason":[]}', ("ready", "healthy", "", "")),
    ('{"status":"degraded"', ("ready", "healthy", "", "")),
    ('{"status":"degraded","reason":"\\u001b[31m' + "x" * 5000 + '"}', None),
    (json.dumps({"status": "degraded", "unavailable": ["x" * 300] * 300}), None),
])
def test_nonsense_as_health_is_bounded_and_harmless(driven, plugins, body, expected):
    install(plugins, "is-sick", health=answer(body))
    host = driven(dir=plugins, health_ms=20)
    assert host.call("is-sick")["error"] == ""
    wait_until(lambda: health(host, "is-sick")[1] != "unknown", "an answer")

    said = health(host, "is-sick")

    assert said == expected or (expected is None and said[0] == "degraded")
    assert len(said[2]) < 200 and len(said[3]) < 200 and "\x1b" not in said[2]
    assert host.call("is-sick")["error"] == ""
    host.end()


def test_one_that_answers_well_but_says_unhealthy_is_not(driven, plugins):
    install(plugins, "is-sick", health=answer('{"status":"unhealthy","reason":"no license"}'))
    host = driven(dir=plugins, health_ms=20)
    assert host.call("is-sick")["error"] == ""

    assert host.event("plugin.backoff", "is-sick")["why"] == "plugin 'is-sick' is not healthy: no license"
    host.end()


def test_nonsense_on_the_control_socket_is_harmless(driven, plugins):
    lines = [{"health": {"status": "great"}}, {"health": {"status": "degraded", "reason": "\x1b[31m" + "x" * 3000}}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    install(plugins, "speaks-lines", name="odd", answers=[text + '{"id":%,"body":1}\n'])
    host = driven(dir=plugins)

    assert host.call("odd", body={})["body"] == "1"

    assert health(host, "odd")[0:2] == ("degraded", "degraded")
    assert len(health(host, "odd")[2]) < 200
    assert host.call("odd", body={})["body"] == "1"
    host.end()
