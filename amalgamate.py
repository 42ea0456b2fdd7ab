#!/usr/bin/env python3
"""amalgamate.py - joins src/ into plugkit.h and plugkit_sdk.h.

    ./amalgamate.py                   write both headers
    ./amalgamate.py --check           exit 1 and say what differs, if they are not what src/ gives
    ./amalgamate.py --list            the parts of each header, with their first lines
    ./amalgamate.py --includes FILE   write a list of #includes instead: tests and coverage see src/ itself
                    [--declarations]  without those of .c files

The lists below are the only place where the files of src/ are named, and their order is the architecture: a
file may include what stands before it, layers point downwards, and rooms of src/host/ know each other only as
ROOMS says. The output depends on nothing but src/ and LICENSE: C text as it is, and what render() adds.
"""

import argparse
import os
import re
import sys

API_CORE = """
    shared.h version.h memory.h error.h json.h json_patch.h schema.h types.h json_stream.h call.h contract.h loop.h
    tls.h extend.h server.h credentials.h web.h streams.h object.h
""".split()
API_HOST = "own.h manifest.h isolate.h host.h".split()
API_SDK = "own.h sdk.h".split()

# What host and SDK share, layer by layer.
CORE = """
    base/features.h
    base/defs.h
    base/error.h
    base/memory.h
    base/list.h
    base/sort.h
    base/map.h
    base/words.h
    base/handle.h
    base/version.c
    base/str.c
    base/memory.c
    base/buf.c
    base/error.c
    base/list.c
    base/sort.c
    base/map.c
    base/handle.c
    os/atomic.h
    os/sys.h
    os/clock.h
    os/spin.h
    os/random.h
    os/thread.h
    os/fork.h
    os/fd.h
    os/file.h
    os/lock.h
    os/loop.h
    os/signal.h
    os/process.h
    os/confine.h
    os/sys.c
    os/clock.c
    os/spin.c
    os/random.c
    os/thread.c
    os/fork.c
    os/fd.c
    os/loop.c
    os/loop_epoll.c
    os/loop_poll.c
    os/loop_kqueue.c
    os/loop_idle.c
    os/file.c
    os/lock.c
    os/signal.c
    os/process.c
    os/confine.c
    wire/swar.h
    wire/wide.h
    wire/utf8.h
    wire/number.h
    wire/base64.h
    wire/duration.h
    wire/semver.h
    wire/json_scan.h
    wire/json_read.h
    wire/json_write.h
    wire/json_quote.h
    wire/json_split.h
    wire/utf8.c
    wire/number.c
    wire/number_double.c
    wire/base64.c
    wire/duration.c
    wire/semver.c
    wire/json_scan.c
    wire/json_read.c
    wire/json_unique.c
    wire/json_value.c
    wire/json_quote.c
    wire/json_write.c
    wire/json_put_value.c
    wire/json_split.c
    wire/url.h
    wire/decimal.h
    wire/json_edit.h
    wire/category.h
    wire/pattern.h
    wire/format_uri.h
    wire/format.h
    wire/schema.h
    wire/http_scan.h
    wire/http_head.h
    wire/http_chunk.h
    wire/url.c
    wire/decimal.c
    wire/json_edit.c
    wire/json_patch.c
    wire/category.c
    wire/pattern.c
    wire/pattern_match.c
    wire/format_uri.c
    wire/format.c
    wire/schema_equal.c
    wire/schema_say.c
    wire/schema_words.c
    wire/schema_refs.c
    wire/schema_compile.c
    wire/schema_apply.c
    wire/schema_check.c
    wire/http_scan.c
    wire/http_head.c
    wire/http_chunk.c
    wire/sse.h
    wire/sse.c
    wire/http_write.h
    wire/http_write.c
    net/address.h
    net/transport.h
    net/secure.h
    net/socket.h
    net/lookup.h
    net/http_out.h
    net/http_client.h
    net/http_pool.h
    net/http_server.h
    net/tls_mbed.h
    net/tls.h
    net/authority.h
    net/address.c
    net/socket.c
    net/lookup.c
    net/transport.c
    net/secure.c
    net/http_out.c
    net/http_client.c
    net/http_client_read.c
    net/http_client_run.c
    net/http_pool.c
    net/http_server.c
    net/http_server_link.c
    net/http_server_read.c
    net/http_server_write.c
    net/http_server_take.c
    net/tls.c
    net/tls_config.c
    net/tls_identity.c
    net/tls_verify.c
    net/tls_resume.c
    net/tls_session.c
    net/tls_error.c
    net/authority.c
    rpc/types.h
    rpc/types.c
    rpc/types_read.h
    rpc/types_read.c
    rpc/types_more.c
    rpc/types_write.c
    rpc/types_table.c
    rpc/json_stream.c
    rpc/ctx.h
    rpc/error_body.h
    rpc/ctx.c
    rpc/error_body.c
    rpc/chain.h
    rpc/call.h
    rpc/chain.c
    rpc/call.c
    rpc/attempt.c
    rpc/caller.c
    rpc/call_stream.c
    rpc/http_channel.h
    rpc/http_channel.c
    rpc/control.h
    rpc/service.h
    rpc/control.c
    rpc/service.c
    rpc/routes.h
    rpc/serve.h
    rpc/routes.c
    rpc/serve.c
    rpc/serve_life.c
    rpc/streams.h
    rpc/streams.c
    rpc/credentials.h
    rpc/credentials.c
    rpc/cors.h
    rpc/rate_limit.h
    rpc/request_log.h
    rpc/cors.c
    rpc/rate_limit.c
    rpc/request_log.c
    rpc/object.h
    rpc/object.c
""".split()

HOST = """
    host/registry/names.h
    host/registry/registry.h
    host/registry/names.c
    host/registry/registry.c
    host/speak/internal.h
    host/speak/lines.h
    host/speak/objects.h
    host/speak/internal.c
    host/speak/lines.c
    host/speak/objects.c
    host/launch/guardian.h
    host/launch/guardian.c
    host/launch/pipes.h
    host/launch/cgroups.h
    host/launch/isolate.h
    host/launch/process_launcher.h
    host/launch/pipes.c
    host/launch/cgroups.c
    host/launch/isolate.c
    host/launch/process_launcher.c
    host/launch/keep.h
    host/launch/adopt_launcher.h
    host/launch/object_launcher.h
    host/launch/keep.c
    host/launch/adopt_launcher.c
    host/launch/object_launcher.c
    host/discover/sink.h
    host/discover/manifest.h
    host/discover/directory.h
    host/discover/folder.h
    host/discover/attach.h
    host/discover/reattach.h
    host/discover/sink.c
    host/discover/manifest.c
    host/discover/folder.c
    host/discover/directory.c
    host/discover/attach.c
    host/discover/reattach.c
    host/call/select.h
    host/call/select.c
    host/life/output.h
    host/life/states.h
    host/life/capabilities.h
    host/life/life.h
    host/life/telling.h
    host/life/hearing.h
    host/life/surviving.h
    host/life/depends.h
    host/life/reaching.h
    host/life/securing.h
    host/life/isolating.h
    host/life/output.c
    host/life/states.c
    host/life/depends.c
    host/life/rules.c
    host/life/events.c
    host/life/capabilities.c
    host/life/surviving.c
    host/life/securing.c
    host/life/isolating.c
    host/life/telling.c
    host/life/hearing.c
    host/life/launching.c
    host/life/reaching.c
    host/life/keeper.c
    host/life/health.c
    host/life/life.c
    host/admin/admin.h
    host/admin/show.c
    host/admin/happenings.c
    host/admin/admin.c
    host/schemas/schemas.h
    host/schemas/schemas.c
    host/manager/manager.h
    host/manager/desc.c
    host/manager/config.c
    host/manager/offers.c
    host/manager/serving.c
    host/manager/plugins.c
    host/manager/manager.c
""".split()

SDK = """
    sdk/log.h
    sdk/args.h
    sdk/settings.h
    sdk/config_schema.h
    sdk/work.h
    sdk/door.h
    sdk/stdout.h
    sdk/lifeline.h
    sdk/secure.h
    sdk/survive.h
    sdk/host_client.h
    sdk/endpoints.h
    sdk/sdk.h
    sdk/object.h
    sdk/log.c
    sdk/args.c
    sdk/settings.c
    sdk/config_schema.c
    sdk/work.c
    sdk/door.c
    sdk/stdout.c
    sdk/lifeline.c
    sdk/secure.c
    sdk/survive.c
    sdk/host_client.c
    sdk/endpoints.c
    sdk/health.c
    sdk/sdk.c
    sdk/object.c
""".split()

HEADERS = {
    "plugkit.h": ("top_host.h", API_HOST, HOST, "PK__HOST", "PLUGKIT_IMPLEMENTATION"),
    "plugkit_sdk.h": ("top_sdk.h", API_SDK, SDK, "PK__SDK", "PLUGKIT_SDK_IMPLEMENTATION"),
}

# Layers: a file includes its own layer and those before. The host and the SDK never meet.
LAYERS = ["base", "os", "wire", "net", "rpc", "host sdk"]

# What each room of src/host/ may include of the others; the rest goes through the registry.
ROOMS = {
    "registry": "",
    "speak": "",
    "launch": "speak",
    "discover": "registry",
    "guard": "registry",
    "observe": "registry",
    "call": "registry speak",
    "life": "registry guard launch speak",
    "install": "registry guard",
    "swap": "registry life",
    "platform": "registry call life",
    "config": "registry life guard call observe discover",
    "schemas": "registry",
    "admin": "registry speak launch discover guard observe call life install swap platform config",
    "manager": "registry speak launch discover guard observe call life install swap platform config schemas admin",
}

DECLARATION_INCLUDES = ["stdbool.h", "stddef.h", "stdint.h"]

LOCAL = re.compile(r'\s*#\s*include\s+"([^"]+)"')
SYSTEM = re.compile(r"\s*#\s*include\s+<([^>]+)>")
DIRECTIVE = re.compile(r"\s*#\s*(\w+)\s*(\w*)")


class Problem(Exception):
    """What is wrong, why that matters, and what to type."""

    def __init__(self, what, why, fix):
        super().__init__(f"amalgamate.py: {what}\n  why: {why}\n  fix: {fix}")


def listed():
    api = ["api/" + name for name in API_CORE + API_HOST + API_SDK]
    tops = ["api/features.h"] + ["api/" + header[0] for header in HEADERS.values()]
    return list(dict.fromkeys(tops + api)) + CORE + HOST + SDK


def load(root, strict=True):
    """The lines of every listed file. Each file under src/ is listed, and each listed one is there."""
    files, names = {}, listed()
    for name in names:
        if names.count(name) > 1:
            raise Problem(f"'{name}' is listed twice", "each file has one place in the order",
                          "delete one of its lines at the top of amalgamate.py")
        path = os.path.join(root, "src", name)
        if not os.path.isfile(path):
            raise Problem(f"cannot find 'src/{name}'", "amalgamate.py lists it",
                          "write the file, or delete its line at the top of amalgamate.py")
        with open(path, encoding="utf-8", newline="") as file:
            files[name] = [line.rstrip() for line in file.read().rstrip().split("\n")]
    for folder, _, found in sorted(os.walk(os.path.join(root, "src"))):
        for name in sorted(found):
            path = os.path.relpath(os.path.join(folder, name), os.path.join(root, "src")).replace(os.sep, "/")
            if path.endswith((".c", ".h")) and path not in files:
                problem = Problem(f"'src/{path}' is not listed", "it would be missing from the headers",
                                  "add it at the top of amalgamate.py, behind everything that it includes")
                if strict:
                    raise problem
    return files


def layer(path):
    return next(i for i, names in enumerate(LAYERS) if path.split("/")[0] in names.split())


def verify(files):
    """Includes point up the list only, layers down only, rooms as ROOMS says."""
    for parts, here in ((CORE, LAYERS[:-1]), (HOST, ["host"]), (SDK, ["sdk"])):
        for before, name in zip(parts[:1] + parts, parts):
            if name.split("/")[0] not in here or layer(before) > layer(name):
                raise Problem(f"'{name}' is listed behind '{before}'", "the lists go upwards, layer by layer",
                              f"move it to the other files of '{name.split('/')[0]}/'")
    seen = set()
    for name in CORE + HOST + SDK:
        seen.add(name)
        for number, line in enumerate(files[name], 1):
            match = LOCAL.match(line)
            if match:
                verify_include(f"src/{name}:{number}", name, match.group(1), seen, files)


def verify_include(where, name, text, seen, files):
    target = os.path.normpath(os.path.join(os.path.dirname(name), text)).replace(os.sep, "/")
    if target.startswith("api/"):
        raise Problem(f"{where} includes '{text}'", "the public text comes before everything else",
                      "delete the #include: it is there already")
    if target not in files:
        raise Problem(f"{where} includes '{text}', which is not in the lists",
                      "only listed files reach the headers",
                      "correct the path, or add the file at the top of amalgamate.py")
    if layer(target) > layer(name) or {name.split("/")[0], target.split("/")[0]} == {"host", "sdk"}:
        raise Problem(f"{where} includes '{text}' from '{target.split('/')[0]}'",
                      "layers include downwards only",
                      f"move what is needed below '{name.split('/')[0]}', or hand it in as a callback")
    if name.startswith("host/") and target.startswith("host/"):
        room, other = name.split("/")[1], target.split("/")[1]
        if room not in ROOMS:
            raise Problem(f"{where} is in a room without a row in ROOMS",
                          "rooms know each other by that table only",
                          f"add '{room}' to ROOMS in amalgamate.py and to ARCHITECTURE.md")
        if room != other and other not in ROOMS[room].split():
            raise Problem(f"{where} includes '{text}' of the room '{other}'",
                          f"'{room}' may include of the others: {ROOMS[room] or 'none'}",
                          "go through the registry, or let the manager wire the two together")
    if target not in seen:
        raise Problem(f"{where} includes '{text}', which is listed later",
                      "the order of the lists is the architecture",
                      f"list '{target}' before '{name}', or turn the dependency around")


def version(files):
    """MAJOR, MINOR, PATCH of api/version.h, the one place where they stand."""
    text = "\n".join(files["api/version.h"])
    numbers = [re.search(rf"#define PK_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "PATCH")]
    if not all(numbers):
        raise Problem("src/api/version.h does not define PK_VERSION_MAJOR, _MINOR and _PATCH",
                      "the headers compare releases by them", "define all three as plain numbers")
    numbers = [int(number.group(1)) for number in numbers]
    name = ".".join(map(str, numbers))
    if f'#define PK_VERSION "{name}"' not in text:
        raise Problem(f"PK_VERSION in src/api/version.h is not \"{name}\"", "text and numbers must agree",
                      f'write: #define PK_VERSION "{name}"')
    return name, numbers[0] * 10000 + numbers[1] * 100 + numbers[2]


def verify_changelog(root, name):
    with open(os.path.join(root, "CHANGELOG.md"), encoding="utf-8") as file:
        entry = re.search(r"^## (\S+)", file.read(), re.M)
    if not entry or entry.group(1) != name:
        raise Problem(f"the top entry of CHANGELOG.md is '{entry.group(1) if entry else 'missing'}', "
                      f"src/api/version.h says '{name}'", "a release is described before it is made",
                      f"add '## {name}' on top of CHANGELOG.md, or correct src/api/version.h")


def directives(lines):
    """(line number, keyword, first word) of each preprocessor line."""
    found = []
    for number, line in enumerate(lines):
        match = DIRECTIVE.match(line)
        if match and not (number and lines[number - 1].endswith("\\")):
            found.append((number, match.group(1), match.group(2)))
    return found


def guard_lines(lines):
    """The three lines of the include guard: joined, each part stands only once."""
    rows = directives(lines)
    for i in range(len(rows) - 1):
        if rows[i][1] == "ifndef" and rows[i][2].endswith("_H") and rows[i + 1][1:] == ("define", rows[i][2]):
            depth = 0
            for number, keyword, _ in rows[i:]:
                depth += keyword.startswith("if") - (keyword == "endif")
                if depth == 0:
                    return [rows[i][0], rows[i + 1][0], number]
    return []


def joined(lines):
    """A part without its guard and local includes, and its unconditional system includes: they go to the top.
    All of them leave blank lines behind, so that line numbers stay true."""
    lines, system, depth = list(lines), [], 0
    for number in guard_lines(lines):
        lines[number] = ""
    for number, keyword, _ in directives(lines):
        depth += keyword.startswith("if") - (keyword == "endif")
        if LOCAL.match(lines[number]):
            lines[number] = ""
        elif SYSTEM.match(lines[number]) and depth == 0:
            system.append(SYSTEM.match(lines[number]).group(1))
            lines[number] = ""
    return lines, system


def comment_end(name, lines):
    """The number of the last line of the comment that a file begins with."""
    end = next((number for number, line in enumerate(lines, 1) if line.endswith("*/")), 0)
    if not lines[0].startswith("/*") or not end:
        raise Problem(f"src/{name} does not begin with a comment of its own lines", "readers meet the file there",
                      f"begin it with '/* {os.path.basename(name)} - what it is for */'")
    return end


def macros(files, names):
    """The private macros that these files define, in order."""
    return list(dict.fromkeys(word for name in names
                              for _, keyword, word in directives(joined(files[name])[0])
                              if keyword == "define" and word.startswith("PK__")))


def macros_again(lines):
    """The #defines of a private header, and the conditions around them, for the second implementation."""
    lines, out = joined(lines)[0], []
    for number, keyword, _ in directives(lines):
        if keyword in ("include", "error", "line", "pragma"):
            continue
        if keyword == "endif" and re.match(r"\s*#\s*if", out[-1]):
            out.pop()  # there was nothing between
            continue
        out.append(lines[number])
        while lines[number].endswith("\\"):
            number += 1
            out.append(lines[number])
    return out


def render(root, files, header):
    """The text of one header. Everything that is not copied from src/ stands here."""
    top, api, parts, name, wanted = HEADERS[header]
    release, number = version(files)
    out = [line.replace("{version}", release) for line in files["api/" + top]] + [""]

    def add(text):
        out.extend(text.strip("\n").split("\n") + [""])

    def declare(paths):
        for path in paths:
            out.extend([f"/* == {path} == */"] + files[path] + [""])

    def implement(paths, known):
        bodies = {path: joined(files[path]) for path in paths}
        system = sorted({include for _, includes in bodies.values() for include in includes} - set(known))
        out.extend([f"#include <{include}>" for include in system] + [""])
        for path in paths:  # PLUGKIT_LINES: compilers and debuggers speak of src/ instead of the header
            lines, number = bodies[path][0], comment_end(path, bodies[path][0])
            out.extend([f"/* == {path} == */"] + lines[:number])
            out.extend(["#ifdef PLUGKIT_LINES", f'#line {number} "src/{path}"', "#endif"])  # stands for line `number`
            out.extend(lines[number:] + [""])
        out.extend(["#ifdef PLUGKIT_LINES", f'#line {len(out) + 3} "{header}"', "#endif", ""])
        return list(known) + system

    declare(["api/features.h"])
    add(f"""
#if defined(PK__CORE_H) && PK__CORE_H != {number}
#error "plugkit.h and plugkit_sdk.h are of different releases: copy both from the same one"
#endif

#ifndef {name}_H
#define {name}_H
""")
    add("\n".join(f"#include <{include}>" for include in DECLARATION_INCLUDES))
    add(f"""
#ifdef __cplusplus
extern "C" {{
#endif

#ifndef PK__CORE_H
#define PK__CORE_H {number}
""")
    declare("api/" + path for path in API_CORE)
    add("#endif // PK__CORE_H")
    declare("api/" + path for path in api)
    add(f"""
#ifdef __cplusplus
}}
#endif
#endif // {name}_H

#if defined({wanted}) && !defined({name}_IMPL)
#define {name}_IMPL

#ifndef PK__CORE_IMPL
#define PK__CORE_IMPL
""")
    declare(["api/shared.h"])
    known = implement(CORE, DECLARATION_INCLUDES)
    out.append("#else // the core is in this file already: its private macros, once more")
    out.extend(line for path in CORE if path.endswith(".h") for line in macros_again(files[path]))
    add("#endif // PK__CORE_IMPL")
    declare(["api/own.h"])
    implement(parts, known)
    undefined = [f"#undef {macro}" for macro in macros(files, CORE + parts)]
    add("\n".join(["#ifndef PLUGKIT_TEST"] + undefined + ["#endif"]))
    add(f"#endif // {wanted}")

    with open(os.path.join(root, "LICENSE"), encoding="utf-8") as file:
        licence = file.read().strip().split("\n")
    out.extend(["/*"] + [(" * " + line).rstrip() for line in licence] + [" */"])
    return "\n".join(out) + "\n"


def includes(files, layers, declarations):
    """One #include for each file: the same translation unit, in the same order, straight from src/. With layers: only
    those; with declarations: without the .c files."""
    def api(names):
        return ["api/" + name for name in names]

    def code(names):
        return [name for name in names if (not layers or name.split("/")[0] in layers)
                and not (declarations and name.endswith(".c"))]

    names = api(API_CORE + API_HOST) + ["api/shared.h"] + code(CORE) + ["api/own.h"] + code(HOST)
    names += api(API_SDK) + code(SDK)
    system = "".join(f"#include <{name}>\n" for name in DECLARATION_INCLUDES)
    lines = [f'#include "src/{name}"\n' for name in names]
    return '/* Generated by amalgamate.py; needs -I. */\n#include "src/api/features.h"\n' + system + "".join(lines)


def write(path, text):
    """Only if it differs, so that make does not rebuild the world."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            if file.read() == text:
                return
    except OSError:
        pass
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def check(root, header, text):
    try:
        with open(os.path.join(root, header), encoding="utf-8", newline="") as file:
            old = file.read()
    except OSError:
        old = ""
    if old == text:
        return True
    old_lines, new_lines = old.split("\n"), text.split("\n")
    pairs = enumerate(zip(old_lines, new_lines))
    at = next((i for i, (a, b) in pairs if a != b), min(len(old_lines), len(new_lines)))
    print(f"{header}:{at + 1}: differs from what src/ gives\n"
          f"  here:     {old_lines[at] if at < len(old_lines) else '(end of file)'}\n"
          f"  from src: {new_lines[at] if at < len(new_lines) else '(end of file)'}\n"
          f"  mend it:  make amalgamate", file=sys.stderr)
    return False


def main():
    parser = argparse.ArgumentParser(description="Joins src/ into plugkit.h and plugkit_sdk.h.")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 if one is out of date")
    parser.add_argument("--list", action="store_true", help="print the parts of each header")
    parser.add_argument("--includes", metavar="FILE", help="write a list of #includes of src/ instead")
    parser.add_argument("--declarations", action="store_true", help="with --includes: no .c files")
    parser.add_argument("--root", help="the project's folder",
                        default=os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--layers", default="", help="with --includes: only these, as in 'base os wire'")
    args = parser.parse_args()
    try:
        files = load(args.root, strict=not args.includes)
        if args.includes:
            write(args.includes, includes(files, args.layers.split(), args.declarations))
            return 0
        verify(files)
        verify_changelog(args.root, version(files)[0])
        texts = {header: render(args.root, files, header) for header in HEADERS}
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 2
    if args.check:
        return 0 if all([check(args.root, header, text) for header, text in texts.items()]) else 1
    for header, text in texts.items():
        if args.list:
            print(f"{header}: {text.count(chr(10))} lines")
            for number, line in enumerate(text.split("\n"), 1):
                if line.startswith("/* == "):
                    print(f"{number:7} {line[6:-6]}")
        else:
            write(os.path.join(args.root, header), text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
