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
    Daemon(
        "bind",
        "bind9",
        "dig +short @127.0.0.1 printer.example.org",
        "192.0.2.7",
        before=(
            "cat >/etc/bind/named.conf <<END\n"
            'options { directory "/var/cache/bind"; listen-on { any; }; recursion no; };\n'
            'zone "example.org" { type master; file "/etc/bind/example.org"; };\n'
            'include "/etc/bind/rndc.key"; controls { inet 127.0.0.1 allow { any; } '
            'keys { "rndc-key"; }; };\n'
            "END\n"
            "cat >/etc/bind/example.org <<END\n"
            "@ 60 IN SOA ns root 1 60 60 60 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n"
            "printer 60 IN A 192.0.2.7\nEND\n"
            "rndc-confgen -a -c /etc/bind/rndc.key -u bind >/dev/null 2>&1"
        ),
        hup=True,
        change="sed -i 's/root 1 /root 2 /; s/192.0.2.7/192.0.2.8/' /etc/bind/example.org",
        changed=("dig +short @127.0.0.1 printer.example.org", "192.0.2.8"),
        says="running",
    ),
    Daemon(
        "httpd",
        "apache2-bin",
        "curl -s localhost/page",
        "a page",
        before="echo a page >/var/www/html/page",
        hup=True,
        change=(
            "echo Listen 8080 >>/etc/apache2/ports.conf\n"
            "sed -i 's/:80>/:80 *:8080>/' /etc/apache2/sites-enabled/000-default.conf"
        ),
        changed=("curl -s localhost:8080/page", "a page"),
        log="/var/log/apache2/error.log",
        says="resuming normal operations",
    ),
    Daemon(
        "mysql",
        "mariadb-server",
        'mysql -N -e "select 6 * 7"',
        "42",
        hup=True,
        says="ready for connections",
    ),
    Daemon(
        "postgresql",
        "postgresql-15",
        'setpriv --reuid postgres --init-groups psql -Atc "select 6 * 7"',
        "42",
        client="psql",
        hup=True,
        change="echo work_mem=7MB >>/etc/postgresql/15/main/postgresql.conf",
        changed=('setpriv --reuid postgres --init-groups psql -Atc "show work_mem"', "7MB"),
        says="ready to accept connections",
    ),
    Daemon(
        "php",
        "php8.2-fpm",
        "SCRIPT_FILENAME=/var/www/html/a.php REQUEST_METHOD=GET "
        "cgi-fcgi -bind -connect /run/php/php8.2-fpm.sock",
        "it is 42",
        client="cgi-fcgi",
        services="php-fpm",
        before="echo '<?php echo \"it is \", 6 * 7;' >/var/www/html/a.php",
        hup=True,
        says="",
        log="/var/log/php8.2-fpm.log",
    ),
    Daemon(
        "samba",
        "samba",
        "smbclient -N //127.0.0.1/shared -c ls && nmblookup -U 192.0.2.1 machine",
        "192.0.2.1 machine<00>",
        client="smbclient, nmblookup",
        services="smbd nmbd",
        before=(
            "mkdir /srv/shared; echo hello >/srv/shared/letter\n"
            "cat >/etc/samba/smb.conf <<END\n[global]\nmap to guest = bad user\n"
            "netbios name = machine\n[shared]\npath = /srv/shared\nguest ok = yes\nEND"
        ),
        hup=True,
        log="/var/log/samba/log.smbd",
    ),
    Daemon(
        "winbindd",
        "winbind",
        "wbinfo -p",
        "succeeded",
        before="mkdir -p /run/samba",
        hup=True,
        log="/var/log/samba/log.winbindd",
    ),
    Daemon(
        "rsyncd",
        "rsync",
        "rsync rsync://localhost/shared/",
        "letter",
        before=(
            "mkdir /srv/shared; echo hello >/srv/shared/letter\n"
            "printf '[shared]\\npath = /srv/shared\\n' >/etc/rsyncd.conf"
        ),
        says="rsyncd version",
    ),
    Daemon(
        "dbus",
        "dbus-daemon",
        "dbus-send --system --print-reply --dest=org.freedesktop.DBus / "
        "org.freedesktop.DBus.ListNames",
        "org.freedesktop.DBus",
        before="echo OPTIONS=--nosyslog >/etc/sysconfig/dbus",
        hup=True,
    ),
    Daemon(
        "avahi",
        "avahi-daemon",
        "avahi-resolve -n machine.local",
        "192.0.2.1",
        services="avahi-daemon",
        needs="dbus",
        hup=True,
        says="Server startup complete",
    ),
    Daemon(
        "cups",
        "cups-daemon",
        "lpstat -H -r",
        "scheduler is running",
        client="lpstat",
        services="cupsd",
        log="/var/log/cups/error_log",
        hup=True,
    ),
    Daemon("acpid", "acpid", "nc -U -w 1 /run/acpid.socket </dev/null", client="nc", hup=True),
    Daemon(
        "atd",
        "at",
        "echo touch /tmp/at-was-here | at now; test -e /tmp/at-was-here",
        client="at",
    ),
    Daemon(
        "dovecot",
        "dovecot-imapd",
        'curl -s imap://anna:secret@127.0.0.1/ -X "STATUS INBOX (MESSAGES)"',
        "MESSAGES 0",
        client="curl (IMAP)",
        before=(
            "useradd -m anna; echo anna:secret | chpasswd\n"
            "printf 'disable_plaintext_auth = no\\nssl = no\\nmail_location = mbox:~/mail\\n"
            "log_path = /dev/stderr\\n' >>/etc/dovecot/local.conf"
        ),
        hup=True,
        says="Dovecot v2",
    ),
    Daemon(
        "exim",
        "exim4-daemon-light",
        "echo a letter | curl -s smtp://127.0.0.1 --mail-from a@localhost "
        "--mail-rcpt root@localhost -T - && tail -n 5 /var/log/exim4/mainlog",
        "<= a@localhost",
        client="curl (SMTP)",
        hup=True,
        log="/var/log/exim4/mainlog",
        says="daemon started",
    ),
    Daemon(
        "haveged",
        "haveged",
        "grep -q haveged /proc/[0-9]*/comm",
        client="none: it runs",
    ),
    Daemon(
        "krb5",
        "krb5-kdc",
        "echo secret | kinit anna && klist && echo secret | kadmin -p root/admin -q listprincs",
        "anna@EXAMPLE.ORG",
        client="kinit, kadmin",
        services="krb5 kadmind",
        before=(
            "cat >/etc/krb5.conf <<END\n[libdefaults]\ndefault_realm = EXAMPLE.ORG\n"
            "dns_lookup_kdc = false\n[realms]\nEXAMPLE.ORG = {\nkdc = 127.0.0.1\n"
            "admin_server = 127.0.0.1\n}\n[logging]\ndefault = STDERR\nEND\n"
            "printf '[realms]\\nEXAMPLE.ORG = {\\nacl_file = /etc/krb5kdc/kadm5.acl\\n}\\n' "
            ">/etc/krb5kdc/kdc.conf\n"
            "echo '*/admin@EXAMPLE.ORG *' >/etc/krb5kdc/kadm5.acl\n"
            "kdb5_util create -s -P master >/dev/null\n"
            "kadmin.local -q 'addprinc -pw secret anna' >/dev/null\n"
            "kadmin.local -q 'addprinc -pw secret root/admin' >/dev/null"
        ),
        hup=True,
        says="commencing operation",
    ),
    Daemon(
        "slapd",
        "slapd",
        'ldapsearch -x -H ldap://127.0.0.1 -s base -b "" namingContexts',
        "result: 0 Success",
    ),
    Daemon(
        "smartd",
        "smartmontools",
        "grep -q smartd /proc/[0-9]*/comm",
        client="none: it runs (no disk is to be seen)",
        before="echo OPTIONS=\"'-q never'\" >/etc/sysconfig/smartd",
        hup=True,
    ),
    Daemon(
        "stunnel",
        "stunnel4",
        "echo ping | openssl s_client -quiet -connect localhost:4433 2>/dev/null",
        "the answer",
        client="openssl s_client",
        before=(
            "openssl req -x509 -newkey rsa:2048 -nodes -days 9 -subj /CN=localhost "
            "-keyout /etc/stunnel/pem -out /etc/stunnel/pem.crt 2>/dev/null\n"
            "cat /etc/stunnel/pem.crt >>/etc/stunnel/pem; chmod 600 /etc/stunnel/pem\n"
            "printf 'pid = /run/stunnel.pid\\n[echo]\\naccept = 4433\\ncert = /etc/stunnel/pem\\n"
            "exec = /bin/echo\\nexecArgs = echo the answer\\n' >/etc/stunnel/stunnel.conf"
        ),
        hup=True,
        change="sed -i s/answer/other/ /etc/stunnel/stunnel.conf",
        changed=(
            "echo ping | openssl s_client -quiet -connect localhost:4433 2>/dev/null",
            "the other",
        ),
        says="Configuration successful",
    ),
    Daemon(
        "svn",
        "subversion",
        "svn ls svn://localhost/work",
        "trunk/",
        before=(
            "useradd -r svn; mkdir -p /srv/svn/repositories\n"
            "svnadmin create /srv/svn/repositories/work\n"
            "svn -q mkdir -m trunk file:///srv/svn/repositories/work/trunk\n"
            "chown -R svn /srv/svn"
        ),
    ),
    Daemon(
        "sysstat",
        "sysstat",
        "sar -f /var/log/sysstat/sa$(date +%d)",
        "LINUX RESTART",
        client="sar",
        hup=True,
    ),
    Daemon(
        "unbound",
        "unbound",
        "dig +short @127.0.0.1 printer.lan",
        "192.0.2.7",
        before=(
            'cat >/etc/unbound/unbound.conf <<END\nserver:\n use-syslog: no\n logfile: ""\n'
            ' chroot: ""\n local-data: "printer.lan A 192.0.2.7"\nEND'
        ),
        hup=True,
        change="sed -i s/192.0.2.7/192.0.2.8/ /etc/unbound/unbound.conf",
        changed=("dig +short @127.0.0.1 printer.lan", "192.0.2.8"),
        says="start of service",
    ),
    Daemon(
        "vsftpd",
        "vsftpd",
        "curl -s ftp://127.0.0.1/",
        "letter",
        client="curl (FTP)",
        before=(
            "mkdir -p /srv/ftp; echo hello >/srv/ftp/letter\n"
            "printf 'listen=YES\\nlisten_ipv6=NO\\nanonymous_enable=YES\\nanon_root=/srv/ftp\\n"
            # As Linux From Scratch has it: it must not go there.
            "background=YES\\n"
            "secure_chroot_dir=/run/vsftpd/empty\\nseccomp_sandbox=NO\\n' >/etc/vsftpd.conf"
        ),
        hup=True,
        log="/var/log/vsftpd.log",
    ),
    Daemon(
        "xinetd",
        "xinetd",
        "nc -N localhost 7777 </dev/null",
        "hello from xinetd",
        client="nc",
        before=(
            "cat >/etc/xinetd.d/hello <<END\nservice hello\n{\n type = UNLISTED\n port = 7777\n"
            " socket_type = stream\n protocol = tcp\n wait = no\n user = root\n"
            " server = /bin/echo\n server_args = hello from xinetd\n}\nEND"
        ),
        hup=True,
        change="sed -i s/7777/7778/ /etc/xinetd.d/hello",
        changed=("nc -N localhost 7778 </dev/null", "hello from xinetd"),
    ),
    Daemon("rpcbind", "rpcbind", "rpcinfo -p 127.0.0.1", "portmapper"),
    Daemon(
        "nfs-client",
        "nfs-common",
        "rpcinfo -t 127.0.0.1 status",
        "ready and waiting",
        needs="rpcbind",
        client="rpcinfo",
    ),
    Daemon(
        "networkmanager",
        "network-manager",
        "nmcli general status",
        "connect",
        needs="dbus",
        hup=True,
    ),
    Daemon(
        "dhcpd",
        "isc-dhcp-server",
        "ip netns exec guest timeout 8 dhclient -d -1 -v -lf /tmp/leases -sf /bin/true lan1 2>&1",
        "bound to 10.9.0.",
        client="dhclient",
        before=(
            "mkdir -p /run/netns; ip netns add guest\n"
            "ip link add lan0 type veth peer name lan1 netns guest\n"
            "ip address add 10.9.0.1/24 dev lan0; ip link set lan0 up\n"
            "ip -n guest link set lan1 up\n"
            "echo 'subnet 10.9.0.0 netmask 255.255.255.0 { range 10.9.0.10 10.9.0.99; }' "
            ">/etc/dhcp/dhcpd.conf\n"
            "echo INTERFACES=lan0 >/etc/sysconfig/dhcpd"
        ),
        says="DHCPOFFER",
    ),
    Daemon(
        "dhcpcd",
        "dhcpcd-base",
        # The address outlives a dhcpcd that was killed, its proxy for the address does not.
        "ps -e -o args | grep dhcpcd",
        "network proxy] 10.9.0.",
        client="dnsmasq (DHCP)",
        before=(
            "mkdir -p /run/netns; ip netns add server\n"
            "ip link add lan0 type veth peer name lan1 netns server\n"
            "ip -n server address add 10.9.0.1/24 dev lan1\n"
            "ip -n server link set lan1 up\nip link set lan0 up\n"
            "ip netns exec server dnsmasq --port=0 --dhcp-range=10.9.0.10,10.9.0.99 "
            "--interface=lan1 --no-ping --user=root --pid-file=/run/other.pid\n"
            "echo OPTIONS='\"--noarp --nodev lan0\"' >/etc/sysconfig/dhcpcd"
        ),
        says="leased 10.9.0.",
    ),
    Daemon(
        "wpa_supplicant",
        "wpasupplicant",
        "wpa_cli -i eth0 status",
        "wpa_state=",
        before=(
            "printf 'ctrl_interface=/run/wpa_supplicant\\nap_scan=0\\n"
            'network={\\nkey_mgmt=IEEE8021X\\neap=MD5\\nidentity="a"\\npassword="b"\\n}\\n\' '
            ">/etc/wpa_supplicant/wpa_supplicant.conf\n"
            "printf 'INTERFACE=eth0\\nDRIVER=wired\\n' >/etc/sysconfig/wpa_supplicant"
        ),
        hup=True,
    ),
    Daemon(
        "rsyslog",
        "rsyslog",
        "logger it is $((6 * 7)); sleep 0.2; tail -n 3 /var/log/syslog",
        "it is 42",
        client="logger",
        before="sed -i /imklog/d /etc/rsyslog.conf",
        hup=True,
        log="/var/log/syslog",
        says="it is 42",
    ),
    Daemon(
        "chrony",
        "chrony",
        "chronyc -n tracking",
        "Stratum",
        before=(
            "echo OPTIONS=-x >/etc/sysconfig/chrony\n"
            "printf 'local stratum 5\\nallow\\ncmdallow 127.0.0.1\\n' >>/etc/chrony/chrony.conf"
        ),
        says="chronyd version",
    ),
    Daemon(
        "squid",
        "squid",
        "http_proxy=http://127.0.0.1:3128 curl -s http://127.0.0.1:8000/letter",
        "hello",
        client="curl through it",
        before=(
            "mkdir -p /srv/web; echo hello >/srv/web/letter\n"
            "printf 'http_access allow all\\nhttp_port 3128\\nshutdown_lifetime 30 seconds\\n"
            "pid_filename /run/squid.pid\\n' >/etc/squid/squid.conf\n"
            "setsid python3 -m http.server -d /srv/web >/dev/null 2>&1 &"
        ),
        hup=True,
        log="/var/log/squid/access.log",
        says="/letter",
    ),
    Daemon(
        "clamd",
        "clamav-daemon",
        "clamdscan --stdout --stream /srv/letter",
        "Unwanted.Letter.UNOFFICIAL FOUND",
        client="clamdscan",
        before=(
            "echo this letter is unwanted >/srv/letter\n"
            "md5sum /srv/letter | while read -r sum _; do\n"
            'echo "$sum:$(stat -c %s /srv/letter):Unwanted.Letter"; done >/var/lib/clamav/a.hdb\n'
            "chown clamav /var/lib/clamav/a.hdb; chmod 644 /srv/letter\n"
            "printf 'LocalSocket /run/clamav/clamd.ctl\\nUser clamav\\nLogTime yes\\n' "
            ">/etc/clamav/clamd.conf"
        ),
        hup=True,
    ),
    Daemon(
        "mpd",
        "mpd",
        "mpc status",
        "volume:",
        before="sed -i 's/^log_file.*//; s/^bind_to_address.*//' /etc/mpd.conf",
        hup=True,
    ),
    Daemon(
        "seatd",
        "seatd",
        "nc -U -N /run/seatd.sock </dev/null",
        client="nc",
        before="",
    ),
    Daemon(
        "containerd", "containerd", "ctr version", "Server:", says="containerd successfully booted"
    ),
    Daemon(
        "docker",
        "docker.io",
        "tar -C /etc -c hostname | docker import - mine >/dev/null && docker images",
        "mine",
        client="docker",
        needs="containerd",
        # Its own storage cannot stand on an overlay, nor its bridge in a test.
        before=(
            "mount -t cgroup2 cgroup2 /sys/fs/cgroup\n"
            "echo \"OPTIONS='--storage-driver=vfs --iptables=false --bridge=none'\" "
            ">/etc/sysconfig/docker"
        ),
        hup=True,
        change=(
            'mkdir -p /etc/docker\necho \'{"labels": ["shelf=top"]}\' >/etc/docker/daemon.json'
        ),
        changed=("docker info", "shelf=top"),
        says="Daemon has completed initialization",
    ),
    Daemon(
        "autofs",
        "autofs",
        "cat /auto/letters/a",
        "hello",
        before=(
            "mkdir -p /srv/letters; echo hello >/srv/letters/a\n"
            "mknod -m 600 /dev/autofs c 10 235\n"
            "echo /auto /etc/auto.mine >/etc/auto.master\n"
            "echo letters -fstype=bind :/srv/letters >/etc/auto.mine"
        ),
        hup=True,
        change="echo /more /etc/auto.mine >>/etc/auto.master",
        changed=("cat /more/letters/a", "hello"),
    ),
    Daemon(
        "elogind",
        "elogind",
        "loginctl list-seats",
        "seat0",
        client="loginctl",
        needs="dbus",
        layer="other",
        hup=True,
        says="New seat seat0",
    ),
    Daemon(
        "saslauthd",
        "sasl2-bin",
        "testsaslauthd -f /run/saslauthd/mux -u anna -p secret",
        "OK",
        before=(
            "useradd anna; echo anna:secret | chpasswd\n"
            "rm -rf /var/run/saslauthd\n"
            "echo AUTHMECH=shadow >/etc/sysconfig/saslauthd"
        ),
    ),
    Daemon(
        "iptables",
        "iptables",
        "iptables-save",
        "-A INPUT -p tcp -m tcp --dport 9 -j DROP",
        before=(
            "printf '*filter\\n:INPUT ACCEPT [0:0]\\n-A INPUT -p tcp --dport 9 -j DROP\\nCOMMIT\\n'"
            " >/etc/sysconfig/iptables"
        ),
    ),
    Daemon(
        "iptables-ipv6",
        "iptables",
        "ip6tables-save",
        "-A INPUT -p tcp -m tcp --dport 9 -j DROP",
        before=(
            "mkdir -p /etc/iptables\n"
            "printf '*filter\\n:INPUT ACCEPT [0:0]\\n-A INPUT -p tcp --dport 9 -j DROP\\nCOMMIT\\n'"
            " >/etc/iptables/rules.v6"
        ),
    ),
    Daemon(
        "nftables",
        "nftables",
        "nft list ruleset",
        "tcp dport 9 drop",
        before=(
            "printf 'table inet filter {\\n chain input {\\n type filter hook input priority 0;"
            "\\n tcp dport 9 drop\\n}\\n}\\n' >/etc/nftables.conf"
        ),
    ),
    Daemon(
        "netfs",
        "mount",
        "cat /srv/shared/letter",
        "hello",
        client="cat",
        # A file system that needs no network, and one of which fstab says that it does.
        before=(
            "mkdir -p /srv/shared /srv/other /srv/letters; echo hello >/srv/letters/letter\n"
            "echo TYPES=ramfs >/etc/sysconfig/netfs\n"
            "echo none /srv/other ramfs defaults 0 0 >/etc/fstab\n"
            "echo /srv/letters /srv/shared none bind,_netdev 0 0 >>/etc/fstab"
        ),
    ),
    Daemon(
        "proftpd",
        "proftpd-core",
        "curl -s --user anna:secret ftp://127.0.0.1/",
        "letter",
        client="curl (FTP)",
        layer="other",
        before=(
            "useradd -m -s /bin/bash anna; echo anna:secret | chpasswd\n"
            "echo hello >/home/anna/letter; chown anna /home/anna/letter"
        ),
        hup=True,
        log="/var/log/proftpd/proftpd.log",
    ),
    Daemon(
        "ntpd",
        "ntpsec",
        "ntpq -n -c rv 127.0.0.1",
        "stratum=",
        client="ntpq",
        layer="other",
        before=(
            "printf 'disable ntp\\nserver 127.127.1.0\\nrestrict 127.0.0.1\\n'"
            " >/etc/ntpsec/ntp.conf"
        ),
    ),
    Daemon(
        "postfix",
        "postfix",
        "echo a letter | curl -s smtp://127.0.0.1 --mail-from root@machine.example.org "
        "--mail-rcpt root@machine.example.org -T - && sleep 0.2 && cat /var/mail/root",
        "a letter",
        client="curl (SMTP)",
        layer="other",
        before=(
            "printf 'compatibility_level=3.6\\nmydestination=machine.example.org\\n"
            "maillog_file=/var/log/maillog\\nalias_maps=\\ninet_interfaces=all\\n' "
            ">/etc/postfix/main.cf"
        ),
        hup=True,
        log="/var/log/maillog",
        says="daemon started",
    ),
    Daemon(
        "syslog-ng",
        "syslog-ng-core",
        "logger it is $((6 * 7)); sleep 0.2; tail -n 3 /var/log/messages",
        "it is 42",
        client="logger",
        layer="other",
        before=(
            "printf '@version: 3.38\\nsource s { system(); internal(); };\\n"
            "destination d { file(/var/log/messages); };\\n"
            "log { source(s); destination(d); };\\n' >/etc/syslog-ng/syslog-ng.conf"
        ),
        hup=True,
        log="/var/log/messages",
        says="syslog-ng starting up",
    ),
    Daemon(
        "sendmail",
        "sendmail-bin",
        "echo QUIT | nc -w 5 127.0.0.1 25",
        "ESMTP Sendmail",
        client="nc (SMTP)",
        layer="sendmail",
        # It refuses to serve on a busy machine, unless told.
        before="echo \"OPTIONS='-q30m -O RefuseLA=100000'\" >/etc/sysconfig/sendmail",
        hup=True,
    ),
    Daemon(
        "virtuoso",
        "virtuoso-opensource-7-bin",
        "curl -si http://127.0.0.1:8890/",
        "Server: Virtuoso",
        before=(
            "mkdir -p /srv/v /etc/virtuoso\n"
            "printf '[Database]\\nDatabaseFile=/srv/v/v.db\\nErrorLogFile=/srv/v/v.log\\n"
            "LockFile=/srv/v/v.lck\\nTransactionFile=/srv/v/v.trx\\n[Parameters]\\nServerPort=1111\\n"
            "[HTTPServer]\\nServerPort=8890\\nServerRoot=/srv/v\\n' >/etc/virtuoso/virtuoso.ini"
        ),
        layer="other",
        says="Server online",
    ),
]
