"""Run a guest in QEMU and talk to it over its serial line.

Every wait is for something that the guest says, with a deadline that is reached
only when something is broken: a guest without hardware support is slow.
"""

from __future__ import annotations

import codecs
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

BUILD = Path(__file__).resolve().parent.parent.parent / "build/boot"

DEADLINE = 300.0
"""Seconds for whatever a guest is to do: a boot takes ten to thirty."""

CONSOLE = "console=tty1 console=ttyS0 net.ifnames=0"
"""The kernel's messages and /dev/console are on the serial line."""

STUCK = 60.0
"""Seconds of silence after which a kernel that has not come to its first program never
will.  Some do not, where processors are emulated, and that proves nothing about inits."""

AGAIN = 5.0
"""Seconds until a key is pressed again that may not have been heard."""

FIRST_PROGRAM = "Run /init as init process"

SHELL = r"[#$] $"
"""The prompt of any shell."""

PROMPT = "guest# "


class Silence(AssertionError):
    """The guest did not say in time what it was to say."""


class Ended(AssertionError):
    """The guest ended instead."""


def options(image: Path, append: str, port: int = 0) -> list[str]:
    """QEMU's command line for a guest.

    With a PORT, connections to it on this machine's loopback arrive at the guest's ssh.
    """
    forward = f",hostfwd=tcp:127.0.0.1:{port}-:22" if port else ""
    given = {
        "-machine": "pc",
        "-accel": "tcg,thread=multi",
        "-cpu": "max",
        "-smp": "1",  # more are emulated slower, and may wait for each other for ever
        "-m": "512",
        "-kernel": directory_of(image) / "vmlinuz",
        "-initrd": directory_of(image) / "initramfs",
        "-append": f"{CONSOLE} {append}".strip(),
        "-drive": f"file={image},format=raw,if=virtio,cache=unsafe",
        "-netdev": f"user,id=net,restrict=on{forward}",
        "-vga": "std",
        "-display": "none",
    }
    devices = ("virtio-net-pci,netdev=net", "virtio-rng-pci")
    words = ["qemu-system-x86_64", "-nodefaults", "-no-user-config"]
    for option, value in given.items():
        words += [option, str(value)]
    for device in devices:
        words += ["-device", device]
    return words


def directory_of(image: Path) -> Path:
    """Where kernel and initramfs are: beside the image, or in the build directory."""
    return image.parent if (image.parent / "vmlinuz").exists() else BUILD


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Guest:
    """A running guest; a context manager that ends it, however that went.

    Each of its boots is a QEMU of its own: a reset within one may cost minutes, because
    a QEMU that emulates the processor writes slowly over the memory that held code.
    """

    def __init__(
        self,
        image: Path,
        append: str = "init=/sbin/runit-init",
        *,
        log: Path,
        more: Sequence[str] = (),
    ) -> None:
        self.image = image
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="pyrunit-guest-"))
        self.log = log
        self.said = ""
        self.read = 0
        self.provoked: list[str] = []
        self.changed = threading.Condition()
        self.ended = False
        self.unplugged = False
        self.stuck = False
        self.arguments = [*options(image, append, self.port), "-no-reboot", *more]
        for name in ("serial", "monitor"):
            path = self.directory / name
            self.arguments += ["-chardev", f"socket,id={name},path={path},server=on,wait=on"]
        self.arguments += ["-serial", "chardev:serial", "-mon", "chardev=monitor"]
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self.directory)
            raise
        self.listener = threading.Thread(target=self.listen, daemon=True)
        self.listener.start()

    def start(self) -> None:
        """Switch the machine on."""
        self.booted_at = len(self.said)
        with (self.directory / "errors").open("wb") as errors:
            self.process = subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
            )
        try:
            self.serial = self.connect("serial")
            self.monitor = self.connect("monitor")
            self.serial.settimeout(STUCK)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def connect(self, name: str) -> socket.socket:
        """A connection to QEMU, which waits for it before it starts the guest."""
        end = time.monotonic() + DEADLINE
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.directory / name))
                return connection
            except OSError:
                connection.close()
                if self.process.poll() is not None:
                    raise Ended((self.directory / "errors").read_text()) from None
                assert time.monotonic() < end, "QEMU does not start"
                time.sleep(0.01)

    def listen(self) -> None:
        """Take in what comes over the serial line, from one boot after the other."""
        again = True
        while again:
            self.take_in()
            self.process.wait()
            self.serial.close()
            self.monitor.close()
            with self.changed:
                try:
                    again = self.restarts()
                    if again:
                        self.start()
                except BaseException as error:
                    self.said += f"\n{error!r}\n"
                    again = False
                self.ended = not again
                self.changed.notify_all()

    def take_in(self) -> None:
        """Take in what comes over the serial line, until it is closed."""
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        with self.log.open("ab", buffering=0) as log:
            while data := self.hear():
                log.write(data)
                with self.changed:
                    self.said += decode(data).replace("\r", "")
                    self.changed.notify_all()

    def hear(self) -> bytes:
        """The next bytes of the serial line; none when it was closed."""
        while True:
            try:
                return self.serial.recv(65536)
            except TimeoutError:
                if FIRST_PROGRAM not in self.said[self.booted_at :]:
                    self.stuck = True
                    self.process.kill()
            except OSError:
                return b""

    def restarts(self) -> bool:
        """Whether the machine that went off asked to be started again, or never began."""
        if self.unplugged:
            return False
        if self.stuck:
            self.stuck = False
            return True
        return "reboot: Restarting system" in self.said[self.booted_at :]

    def expect(self, pattern: str, deadline: float = DEADLINE) -> re.Match[str]:
        """Wait for PATTERN (lines end in a newline alone), in what was not yet expected."""
        end = time.monotonic() + deadline
        sought = re.compile(pattern, re.M)
        with self.changed:
            while True:
                found = sought.search(self.said, self.read)
                if found:
                    self.read = found.end()
                    return found
                if self.ended or "Kernel panic" in self.said:
                    raise Ended(f"the guest ended before it said {pattern!r}:\n{self.tail()}")
                rest = end - time.monotonic()
                if rest <= 0:
                    raise Silence(f"waited in vain for {pattern!r}:\n{self.tail()}")
                self.changed.wait(rest)

    def tail(self) -> str:
        """The last that was said."""
        return self.transcript()[-3000:]

    def transcript(self) -> str:
        """All that was said."""
        with self.changed:
            return self.said

    def send(self, text: str) -> None:
        """Type TEXT."""
        self.serial.sendall(text.encode())

    def press(self, keys: str) -> None:
        """Press KEYS on the keyboard, named as in QEMU's sendkey."""
        self.monitor.sendall(f"sendkey {keys}\n".encode())

    def login(self) -> None:
        """Wait for the prompt on the serial line, and log in as root."""
        self.expect(r"login: ")
        self.send("root\n")
        self.expect(SHELL)
        self.talk()

    def maintain(self) -> None:
        """Wait for sulogin on the serial line, and press Enter until there is its shell.

        It drops what was typed before it had set the terminal, and asks before it does that.
        """
        self.expect("Press Enter for maintenance[^:]*: ")
        end = time.monotonic() + DEADLINE
        while True:
            self.send("\n")
            try:
                self.expect(SHELL, AGAIN)
                break
            except Silence:
                if time.monotonic() > end:
                    raise
        self.talk()

    def talk(self) -> None:
        """Make the shell that has shown its prompt one to talk to."""
        self.send("exec bash --noediting --norc --noprofile\n")
        self.expect(r"bash-[0-9.]+[#$] ")
        # Split, so that the echo of the line is not taken for the prompt.
        self.send(f"stty -echo; PS2=; PS1='{PROMPT[:3]}''{PROMPT[3:]}'\n")
        self.expect("^" + PROMPT)

    def run(self, command: str, deadline: float = DEADLINE, code: int | None = 0) -> str:
        """Run COMMAND in the guest's shell; what it said, on either output.

        It must end with CODE, unless that is None.  The kernel and process 1 may talk in
        between at any time, also before the next prompt.
        """
        end = time.monotonic() + deadline
        self.send(f"{{ {command}\n}} 2>&1; printf '\\nended:%d:\\n' $?\n")
        found = self.expect(r"(?s)(.*?)\n?\nended:([0-9]+):\n", deadline)
        self.expect(PROMPT, end - time.monotonic())
        said, ended = found.group(1), int(found.group(2))
        assert code in (None, ended), f"{command}: {ended}\n{said}"
        return said

    def until(self, command: str, pattern: str = "", deadline: float = DEADLINE) -> str:
        """Run COMMAND again and again until it succeeds and says PATTERN; what it said."""
        end = time.monotonic() + deadline
        while True:
            said = self.run(f"({command}) && echo so-it-is", code=None)
            if said.endswith("so-it-is") and re.search(pattern, said, re.M):
                return said.removesuffix("so-it-is").rstrip("\n")
            assert time.monotonic() < end, f"waited in vain for {command}:\n{said}"
            time.sleep(0.1)  # asking costs the guest a good part of its time

    def ssh(self, command: str) -> str:
        """Run COMMAND by way of the guest's sshd; what it printed."""
        given = [
            "ssh",
            "-q",
            "-F/dev/null",
            f"-i{directory_of(self.image) / 'key'}",
            f"-p{self.port}",
            "-oBatchMode=yes",
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
            f"-oConnectTimeout={DEADLINE:.0f}",
        ]
        done = subprocess.run(
            [*given, "root@127.0.0.1", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_off(self, deadline: float = DEADLINE) -> None:
        """Wait for the machine to be powered off: QEMU ends."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.ended, deadline):
                raise Silence(f"the guest is still on:\n{self.tail()}")

    def kill(self) -> None:
        """Pull the plug, and leave nothing behind."""
        with self.changed:
            self.unplugged = True
            self.process.kill()
        self.listener.join()
        shutil.rmtree(self.directory)

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
