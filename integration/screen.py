"""A terminal for tests: a pty with a size, and the screen that a program has drawn on it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

TOKEN = re.compile(rb"\x1b\[(\??[0-9;]*)([A-Za-z])|([\r\n\b])|([^\x1b\r\n\b]+)|\x1b")


class Screen:
    """Screen([program, ...], rows=24, columns=80): starts it. `lines` is what stands there after `until(...)`."""

    def __init__(self, command, rows=24, columns=80, env=None):
        self.master, slave = pty.openpty()
        self.resize(rows, columns, slave)
        self.modes = termios.tcgetattr(slave)
        self.slave = slave
        self.raw = b""
        self.alternate = self.hidden = False
        self.colors = set()
        self.screens = 0  # how often the whole screen was taken
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, close_fds=True, env={**os.environ, "TERM": "xterm",
                                                                                   **(env or {})},
            preexec_fn=self.adopt, start_new_session=True)

    @staticmethod
    def adopt():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns, fd=None):
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.main = (self.cells, 0, 0)
        self.row = self.column = 0
        fcntl.ioctl(self.master if fd is None else fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    @property
    def text(self):
        return "\n".join(self.lines).rstrip()

    def type(self, keys):
        os.write(self.master, keys.encode())

    def until(self, condition, seconds=20):
        """Draws what comes, until condition(self) holds."""
        end = time.monotonic() + seconds
        while not condition(self):
            left = end - time.monotonic()
            assert left > 0, f"the screen stays:\n{self.text}"
            self.draw(min(left, 0.5))
        return self

    def shows(self, *words, seconds=20):
        return self.until(lambda screen: all(word in screen.text for word in words), seconds)

    def draw(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.feed(os.read(self.master, 65536))
            except OSError:
                return False
        return True

    def feed(self, data):
        data = self.raw + data
        cut = data.rfind(b"\x1b")
        whole = cut < 0 or re.match(rb"\x1b\[\??[0-9;]*[A-Za-z]", data[cut:])
        self.raw, data = (b"", data) if whole else (data[cut:], data[:cut])
        for match in TOKEN.finditer(data):
            arguments, command, control, text = match.groups()
            if command:
                self.command(arguments.decode(), command.decode())
            elif control == b"\r":
                self.column = 0
            elif control == b"\n":
                self.newline()
            elif text:
                self.put(text.decode(errors="replace"))

    def newline(self):
        self.row += 1
        if self.row == self.rows:
            self.row -= 1
            self.cells = self.cells[1:] + [[" "] * self.columns]

    def put(self, text):
        for letter in text:
            if self.column == self.columns:
                self.column = 0
                self.newline()
            self.cells[self.row][self.column] = letter
            self.column += 1

    def command(self, arguments, command):
        if command == "H":
            self.row = self.column = 0
        elif command == "K":
            self.cells[self.row][self.column:] = [" "] * (self.columns - self.column)
        elif command == "J":
            self.cells[self.row][self.column:] = [" "] * (self.columns - self.column)
            for row in range(self.row + 1, self.rows):
                self.cells[row] = [" "] * self.columns
        elif command == "m":
            self.colors.add(arguments)
        elif arguments == "?1049":
            self.alternate = command == "h"
            self.screens += self.alternate
            blank = [[" "] * self.columns for _ in range(self.rows)]
            if self.alternate:
                self.main = (self.cells, self.row, self.column)
                self.cells, self.row, self.column = blank, 0, 0
            else:
                self.cells, self.row, self.column = self.main
        elif arguments == "?25":
            self.hidden = command == "l"

    def end(self, seconds=20):
        """Waits until the program has ended. Gives its status."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end:\n{self.text}"
            self.draw(0.05)
        while select.select([self.master], [], [], 0)[0] and self.draw(0):
            pass
        return self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.end()
        os.close(self.slave)
        os.close(self.master)
