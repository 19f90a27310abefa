#!/bin/sh
# Remembers how this host is, and makes it so again: `keep.sh remember`, `keep.sh restore`. Runs as root, on the host.
# Of what a drill may spoil, every file is put back whole; users' data is left alone while the server can serve it.
set -eu
cd /

KEPT=/var/lib/drill-kept
FILES='/opt/chat-server/config.toml /opt/chat-server/jwt-secret /etc/hosts /etc/nginx /etc/ufw /etc/default/ufw /etc/cron.d/chat-server
	/etc/systemd/system/chat-server.service.d /etc/systemd/system/chat-server.socket.d
	/etc/systemd/journald.conf.d /etc/systemd/system.control /etc/fstab'
OWNED='/opt/chat-server /var/lib/chat-server /var/backups/chat-server'
DATA=/var/lib/chat-server
BACKUPS=/var/backups/chat-server

remember() {
	/opt/chat-server/chat-server backup >&2
	rm -rf "$KEPT"
	mkdir -m 700 "$KEPT"
	cp --archive --parents /opt/chat-server "$KEPT"
	for file in $FILES; do
		[ ! -e "$file" ] || cp --archive --parents "$file" "$KEPT"
	done
	cp --archive "$BACKUPS" "$KEPT/backups"
	find $OWNED -printf '%u:%g %m %p\n' >"$KEPT/owned"
}

# Prints what differed, a line each.
restore() {
	systemctl list-units --all --plain --no-legend 'drill-*' | while read -r unit rest; do
		systemctl stop "$unit"
		systemctl reset-failed "$unit" 2>/dev/null || true
	done
	dpkg --verify chat-server | sed '/ c /d; s/^[^/]*//' | while read -r file; do
		cp --archive "$KEPT/$file" "$file"
		echo "$file"
	done
	for file in $FILES; do
		put_back "$file"
	done
	put_owners_back
	find "$DATA" -mindepth 1 | while read -r file; do
		case $file in
		*/chat.db | */chat.db-wal | */chat.db-shm) ;;
		*) known "$file" || rm -rf "$file" ;;
		esac
	done
	if ! cmp --silent "$KEPT/backups/latest.db" "$BACKUPS/latest.db"; then
		rm -rf "${BACKUPS:?}"/*
		cp --archive "$KEPT/backups/." "$BACKUPS"
	fi
}

put_back() {
	if [ -e "$KEPT$1" ]; then
		if diff --recursive --no-dereference --brief "$KEPT$1" "$1" >/dev/null 2>&1; then
			# Whoever reads it meanwhile finds it whole.
			[ -d "$1" ] || cp --archive --attributes-only --no-target-directory "$KEPT$1" "$1"
		else
			rm -rf "$1"
			cp --archive --no-target-directory "$KEPT$1" "$1"
			echo "$1"
		fi
	elif [ -e "$1" ]; then
		rm -rf "$1"
		echo "$1"
	fi
}

put_owners_back() {
	find $OWNED -printf '%u:%g %m %p\n' | sort >"$KEPT/now"
	sort "$KEPT/owned" | comm -23 - "$KEPT/now" | while read -r owner mode file; do
		[ -e "$file" ] || continue
		chown --no-dereference "$owner" "$file"
		[ -L "$file" ] || chmod "$mode" "$file"
		case $file in *-wal | *-shm) ;; *) echo "$file" ;; esac
	done
}

known() {
	grep --quiet --fixed-strings --line-regexp "$(stat --format '%U:%G' "$1") $(stat --format %a "$1") $1" "$KEPT/owned"
}

"$1"
