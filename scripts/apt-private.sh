# SPDX-License-Identifier: MIT
# shellcheck shell=sh
#
# Sourced by the scripts that download packages without installing them: an apt
# of our own, with its own lists and its own archives, that reads the machine's
# sources but never changes anything under /etc/apt or /var/lib/apt. Needs no
# root.
#
# Expects $cache (our folder in the user's cache). apt_private_setup NAME [SUITE], then
# apt_private ARGS... Each NAME has lists of its own, so that two scripts may run at once.
# With SUITE (bookworm-backports, sid ...), that suite of the same archive is read instead of the
# machine's own.

# Turns the machine's sources into ones that cover binary and source packages.
# Both forms are understood: one-line lists and deb822 .sources files.
apt_private_sources()
{
	out=$1
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$f" ] || continue
		# deb [options] uri suite component...: each deb line gains its twin.
		sed -n 's/^[[:space:]]*deb\(-src\)\{0,1\}[[:space:]]\(.*\)$/deb \2\ndeb-src \2/p' "$f" |
			sort -u >"$out/$(basename "$f" .list)-fqaccel.list"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[ -f "$f" ] || continue
		sed 's/^[Tt]ypes:.*/Types: deb deb-src/' "$f" >"$out/$(basename "$f")"
	done
}

# Of the private sources only those remain that offer the distribution's main suite, and
# they offer the suite $2 in its place. Where and by which key is as the machine says.
apt_private_suite()
{
	main=$(. /etc/os-release && echo "$VERSION_CODENAME")
	for f in "$1"/*.list; do
		[ -f "$f" ] || continue
		# The suite is the second word after the options, which may hold blanks.
		sed -n -E "s/^(deb|deb-src)[[:space:]]+((\\[[^]]*\\][[:space:]]+)?[^[:space:]]+)[[:space:]]+$main[[:space:]]/\\1 \\2 $2 /p" \
			"$f" >"$f.new"
		mv "$f.new" "$f"
	done
	for f in "$1"/*.sources; do
		[ -f "$f" ] || continue
		awk -v RS= -v ORS='\n\n' -v main="$main" -v suite="$2" '
		{
			n = split($0, line, "\n")
			found = 0
			for (i = 1; i <= n; i++)
				if (tolower(line[i]) ~ /^suites:/) {
					found = line[i] " " ~ ("[ \t]" main "[ \t]")
					line[i] = "Suites: " suite
				}
			if (!found)
				next
			for (i = 1; i < n; i++)
				printf "%s\n", line[i]
			print line[n]
		}' "$f" >"$f.new"
		mv "$f.new" "$f"
	done
	if ! cat "$1"/*.list "$1"/*.sources 2>/dev/null | grep -q .; then
		echo "apt: no source of $main was found to derive $2 from" >&2
		return 1
	fi
}

apt_private_setup()
{
	apt_dir=$cache/apt/$1
	mkdir -p "$apt_dir/lists/partial" "$apt_dir/archives/partial"
	rm -rf "$apt_dir/sources.list.d"
	mkdir "$apt_dir/sources.list.d"
	apt_private_sources "$apt_dir/sources.list.d"
	[ -z "${2-}" ] || apt_private_suite "$apt_dir/sources.list.d" "$2"
}

# The options are those of apt-get and apt-cache alike. As root apt would drop
# to the user _apt for downloads, who can't write into a private folder.
apt_private()
{
	tool=$1
	shift
	"$tool" -qq \
		-o Dir::Etc::sourcelist=/dev/null \
		-o Dir::Etc::sourceparts="$apt_dir/sources.list.d" \
		-o Dir::State::lists="$apt_dir/lists" \
		-o Dir::Cache="$apt_dir" \
		-o Dir::Cache::archives="$apt_dir/archives" \
		-o APT::Sandbox::User="$(id -un)" \
		-o Acquire::Languages=none \
		-o Acquire::Retries=3 \
		"$@"
}
