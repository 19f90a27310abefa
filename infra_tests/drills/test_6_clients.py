"""Chapter 6: the page does not start, or a client does not get through to the server."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, Page, expect

from infra_tests.drills import proxy
from infra_tests.drills.browser import Browser, wait_until_it_says, wait_until_one_can_come_in
from infra_tests.drills.disposable import wait_for
from infra_tests.drills.drill import Drill, as_the_guide
from infra_tests.drills.stranger import Stranger
from tests.doctor.proxy import Pair, authority, certificate

SCRIPT = "/opt/chat-server/lib/chat_server/web/main.js"
HEALTH = "curl -I https://chat.example.com/health"
TELNET = "telnet chat.example.com 443"
NAME = "chat.example.com"
ROOT = "/usr/local/share/ca-certificates/drill.crt"


def domain(drill: Drill) -> str:
    """The name under which people come in."""
    return str(urlsplit(drill.public_url).hostname)


def console(browser: Browser, page: Page) -> list[str]:
    """All that pages' consoles have shown by now; events come while one waits."""
    page.wait_for_timeout(1)  # anything that asks the page itself would meet it loading anew
    return browser.console


def served(drill: Drill, path: str = "/") -> str:
    """Status and type of what the proxy answers to who asks for the page, the certificate being another matter."""
    return drill.ours(f"curl -sk -o /dev/null -w '%{{http_code}} %{{content_type}}\\n' {drill.public_url}{path}").out


def script(drill: Drill) -> str:
    """The address of the page's script, which names its version."""
    return "/" + drill.ours(f"curl -sk {drill.public_url}/ | grep -o 'page/[^/]*/main.js'").out.strip()


@pytest.mark.entry("6.1")
def test_a_browser_that_can_not_chat_is_told_so_by_the_page(drill: Drill, browser: Browser) -> None:
    with drill.provoked("a browser without JavaScript, and one without WebSocket"):
        without_scripts = browser.page(careful=False, scripts=False)
        without_scripts.goto(drill.public_url)
        expect(without_scripts.get_by_role("alert")).to_contain_text("needs JavaScript")
        without_socket = browser.page(careful=False, lacks="WebSocket")
        without_socket.goto(drill.public_url)
        wait_until_it_says(without_socket, "no WebSocket")

    with drill.diagnosed():
        assert served(drill) == "200 text/html; charset=utf-8\n"
    drill.named_by_doctor("page", status="ok", seen="shows the page, and what it loads comes too")

    with drill.cured():
        another = browser.page(careful=False)
        another.goto(drill.public_url)
        wait_until_one_can_come_in(another)


@pytest.mark.entry("6.1")
def test_a_script_that_the_proxy_keeps_back_is_missed_by_the_page(drill: Drill, browser: Browser) -> None:
    with drill.provoked("the proxy keeps the page's script back"):
        proxy.edit(drill, "s|location = /socket|location ~ /main.js$ { return 403; }\\n&|")
        proxy.reload(drill)
        page = browser.page(careful=False)
        page.goto(drill.public_url)
        wait_until_it_says(page, "A file of this page did not come")

    with drill.diagnosed():
        wait_for("the console's line", lambda: any("403" in line for line in console(browser, page)))
        assert served(drill).startswith("200 text/html")
        assert served(drill, script(drill)).startswith("403")
    drill.named_by_doctor("page", seen="main.js (403)")

    with drill.cured():
        proxy.edit(drill, "/main.js/d")
        proxy.reload(drill)
        another = browser.page(careful=False)  # the first loads itself anew, later and later
        another.goto(drill.public_url)
        wait_until_one_can_come_in(another)


@pytest.mark.entry("6.1")
def test_a_file_of_the_page_that_is_gone_is_installed_again(drill: Drill, browser: Browser) -> None:
    page = browser.page(careful=False)
    page.goto(drill.public_url)
    wait_until_one_can_come_in(page)
    with drill.provoked("a file of the page is gone from the disk, and the server was started again"):
        drill.root(f"rm {SCRIPT}; systemctl restart chat-server || true")
        assert drill.shows("ActiveState") != "active"
        newcomer = browser.page(careful=False)
        newcomer.goto(drill.public_url)
        expect(newcomer.get_by_text("The server is away for the moment.")).to_be_visible()

    with drill.diagnosed():
        assert served(drill).startswith("503 application/json")
        assert SCRIPT in drill.ours("dpkg --verify chat-server", code=None).out
        assert SCRIPT in drill.logged("the page cannot be read")
    drill.named_by_doctor("page", seen=SCRIPT)

    with drill.cured():
        drill.reinstall()
        page.reload()
        wait_until_one_can_come_in(page)


@pytest.mark.entry("6.2")
def test_an_address_with_a_misspelled_name_is_put_right(drill: Drill, browser: Browser) -> None:
    right = drill.public_url
    name = domain(drill)
    misspelled = f"x{name}"
    page = browser.page(careful=False)
    with drill.provoked("people are given an address with a misspelled name"):
        drill.configure("server", "public_url", f'"https://{misspelled}"')
        with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
            page.goto(drill.public_url)

    with drill.diagnosed():
        assert "Could not resolve host" in drill.guide(HEALTH, {NAME: misspelled}, code=6).err
        assert misspelled in drill.guide(TELNET, {NAME: misspelled}, code=1).text
        assert drill.ours(f"getent hosts {misspelled}", code=2).out == ""
    drill.named_by_doctor("reach", status="warning", seen=f"the name {misspelled} leads to no address")

    with drill.cured():
        drill.configure("server", "public_url", f'"{right}"')
        assert name in drill.ours(f"getent hosts {name}").out
        page.goto(drill.public_url)
        wait_until_one_can_come_in(page)
        drill.named_by_doctor("reach", status="ok", seen="also by its name")


@pytest.mark.entry("6.2")
def test_a_certificate_that_nobody_has_signed_is_replaced(drill: Drill, browser: Browser, tmp_path: Path) -> None:
    name = domain(drill)
    with drill.provoked("the proxy shows a certificate that signs itself"):
        show(drill, certificate(tmp_path, name))
        with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
            browser.page().goto(drill.public_url)

    with drill.diagnosed():
        assert "self-signed certificate" in drill.guide(HEALTH, {NAME: name}, code=60).err
        asked = f"openssl s_client -connect {name}:443 -servername {name} </dev/null 2>/dev/null"
        shown = drill.ours(f"{asked} |\n    openssl x509 -noout -subject -issuer -dates").out
        assert f"issuer=CN = {name}" in shown.replace("CN=", "CN = ")
    drill.named_by_doctor("certificate", status="warning", seen="is self-signed")

    with drill.cured():
        known = authority(tmp_path)
        show(drill, certificate(tmp_path, name, by=known))
        drill.afterwards(f"rm -f {ROOT}; update-ca-certificates --fresh")
        drill.shell.root(f"cat >{ROOT} && update-ca-certificates", given=known.certificate.read_text())
        browser.trust(known.certificate)
        page = browser.page()
        page.goto(drill.public_url)
        wait_until_one_can_come_in(page)
        assert "200" in drill.guide(HEALTH, {NAME: name}).out.splitlines()[0]
        drill.named_by_doctor("certificate", status="ok", seen="is trusted, names it")


def show(drill: Drill, pair: Pair) -> None:
    """Has nginx show a certificate."""
    for line, file in (("ssl_certificate", pair.certificate), ("ssl_certificate_key", pair.key)):
        there = f"/etc/nginx/drill-{line}.pem"
        drill.shell.root(f"install -m 600 /dev/stdin {there}", given=file.read_text())
        if drill.root(f"grep -c ' {there};' {proxy.NGINX} || true") == "0\n":
            proxy.edit(drill, f"s|^( *{line}) .*|\\1 {there};|")
    proxy.reload(drill)


@pytest.mark.entry("6.2")
def test_a_firewall_on_the_clients_side_is_told_from_a_server_that_is_down(drill: Drill) -> None:
    name = domain(drill)
    client = Stranger(drill)
    closed = "OUTPUT -p tcp --dport 443 -j DROP"
    asked, telnet = (as_the_guide(command, {NAME: name}) for command in (HEALTH, TELNET))
    with drill.provoked("a firewall on the client's side lets nothing out to port 443"):
        drill.root(f"ip netns exec stranger iptables -A {closed}")
        assert client.types(f"timeout 3 {asked}").code == 124

    with drill.diagnosed():
        typed = client.start(telnet)
        typed.wait_for("Trying")
        assert "301" in client.types(f"timeout 3 curl -sI http://{name}/health").out  # another port gets out
        assert "200" in drill.ours(f"curl -skI {drill.public_url}/health").out
        assert "Connected" not in typed.text
    drill.named_by_doctor("reach", status="ok", seen="answers 200: all is well")

    with drill.cured():
        drill.root(f"ip netns exec stranger iptables -D {closed}")
        typed.wait_for("Connected")  # it has gone on trying
        assert "200" in client.types(asked.replace("-I", "-kI")).out
