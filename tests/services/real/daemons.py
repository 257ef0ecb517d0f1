"""The daemons that are tried, each with a client that knows whether it does its work."""

from __future__ import annotations


class Daemon:
    """What `make install-TARGET` is tried with.

    package   Debian's, whose version is reported
    ask       shell, without single quotes: a client; ANSWER is in what it prints, or it
              succeeds
    before    shell, run first: what a person would set up by hand
    needs     targets that are installed before
    hup       whether `sv hup` leaves it running; CHANGE is done before and CHANGED asked
              after that
    log       where its log is, if it is not the service's; SAYS is in it
    """

    def __init__(
        self,
        target: str,
        package: str,
        ask: str,
        answer: str = "",
        *,
        client: str = "",
        services: str = "",
        layer: str = "main",
        before: str = "",
        needs: str = "",
        hup: bool = False,
        change: str = "",
        changed: tuple[str, str] | None = None,
        log: str = "",
        says: str = "",
    ) -> None:
        self.target = target
        self.package = package
        self.ask = ask
        self.answer = answer
        self.client = client or ask.split()[0]
        self.services = services.split() or [target]
        self.layer = layer
        self.before = before
        self.needs = needs.split()
        self.reloads = hup
        self.change = change
        self.log = log
        self.says = says
        self._changed = changed

    @property
    def reload(self) -> str:
        """What is told of reloading."""
        if not self.reloads:
            return "has none"
        return "takes effect" if self._changed else "goes on"

    @property
    def changed(self) -> Daemon:
        """What is to be seen of the daemon when it has read its configuration again."""
        if self._changed is None:
            return self
        ask, answer = self._changed
        return Daemon(self.target, self.package, ask, answer, services=" ".join(self.services))


PAGE = "echo <p>a page</p> >"

DAEMONS = [
    Daemon(
        "sshd",
        "openssh-server",
        "ssh -o StrictHostKeyChecking=no -o BatchMode=yes localhost echo it is $((6 * 7))",
        "it is 42",
        before=(
            "mkdir -p -m 700 /root/.ssh; rm -f /etc/ssh/ssh_host_*\n"
            "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519\n"
            "cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys\n"
            "echo OPTIONS=-oLogLevel=VERBOSE >/etc/sysconfig/sshd\n"
        ),
        hup=True,
        change="echo Port 2222 >>/etc/ssh/sshd_config; : >/root/.ssh/known_hosts",
        changed=("ssh -p 2222 -o StrictHostKeyChecking=no localhost echo again", "again"),
        says="Accepted publickey for root",
    ),
    Daemon(
        "nginx",
        "nginx",
        "curl -s localhost/page",
        "a page",
        before="echo a page >/var/www/html/page",
        hup=True,
        change="printf 'server { listen 8080; root /var/www/html; }' >/etc/nginx/conf.d/more.conf",
        changed=("curl -s localhost:8080/page", "a page"),
        log="/var/log/nginx/access.log",
        says="GET /page",
    ),
    Daemon(
        "redis",
        "redis-server",
        "redis-cli incr visits && redis-cli get visits",
        "",
        log="/var/log/redis/redis-server.log",
        says="Ready to accept connections",
    ),
    Daemon(
        "cron",
        "cron",
        "test -e /tmp/cron-was-here",
        client="a job of every minute",
        before=(
            "printf 'SHELL=/bin/sh\\n* * * * * root touch /tmp/cron-was-here\\n' >/etc/cron.d/mine"
        ),
    ),
    Daemon(
        "dnsmasq",
        "dnsmasq-base",
        "dig +short @127.0.0.1 printer.lan",
        "192.0.2.7",
        before=(
            "echo 'conf-dir=/etc/dnsmasq.d' >/etc/dnsmasq.conf; mkdir -p /etc/dnsmasq.d\n"
            "echo 192.0.2.7 printer.lan >>/etc/hosts"
        ),
        hup=True,
        change="echo 192.0.2.8 scanner.lan >>/etc/hosts",
        changed=("dig +short @127.0.0.1 scanner.lan", "192.0.2.8"),
        says="started",
    ),
]
