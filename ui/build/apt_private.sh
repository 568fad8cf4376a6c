# Sourced: an apt of its own in one directory, so that packages of another suite or architecture can
# be fetched without touching the machine's apt. Its mirror is the one that the machine's apt is
# configured with (or METIC_DEBIAN_MIRROR); proxy and credentials settings are inherited.
# Signatures are always checked.

apt_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Prints the address of the Debian mirror in the machine's apt configuration.
apt_mirror() {
    if [ -n "${METIC_DEBIAN_MIRROR:-}" ]; then
        printf '%s\n' "$METIC_DEBIAN_MIRROR"
        return
    fi
    # Works before the first `apt-get update` too. Security and update suites have addresses of
    # their own or the same one; the plain suite's name has no dash.
    apt-get indextargets -o APT::Get::IndexTargets::ReleaseInfo=false \
        --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(CREATED_BY)' 2>/dev/null |
        awk '$3 == "main" && $4 == "Packages" && $2 !~ /[-\/]/ { print $1; exit }'
}

# apt_private_init DIR SUITE ARCH STATUS_FILE: DIR gets the configuration, the lists and the cache.
# Afterwards apt_private is apt-get with it. Returns 1, saying why, when it cannot be done.
apt_private_init() {
    apt_dir=$1
    mirror=$(apt_mirror)
    if [ -z "$mirror" ]; then
        echo "the machine's apt is not configured with a Debian mirror" \
            "(set METIC_DEBIAN_MIRROR to one)" >&2
        return 1
    fi
    if [ ! -r "$apt_keyring" ]; then
        echo "$apt_keyring is not there (Debian package: debian-archive-keyring)" >&2
        return 1
    fi
    mkdir -p "$apt_dir/lists/partial" "$apt_dir/archives/partial" "$apt_dir/log" || return 1
    [ -e "$4" ] || : >"$4"
    echo "deb [signed-by=$apt_keyring] $mirror $2 main" >"$apt_dir/sources.list"
    cat >"$apt_dir/apt.conf" <<END
Dir::State::Lists "$apt_dir/lists";
Dir::State::status "$4";
Dir::Cache "$apt_dir";
Dir::Cache::Archives "$apt_dir/archives";
Dir::Log "$apt_dir/log";
Dir::Etc::SourceList "$apt_dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Architecture "$3";
#clear APT::Architectures;
APT::Architectures { "$3"; };
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "1";
END
    # The directory may be one that apt's own user cannot enter.
    [ "$(id -u)" -ne 0 ] || echo 'APT::Sandbox::User "root";' >>"$apt_dir/apt.conf"
}

apt_private() { apt-get -c "$apt_dir/apt.conf" "$@"; }

# Brings the lists. Returns 3 when there is no way to the mirror, 1 when it cannot be trusted.
apt_private_update() {
    if apt_private -q --error-on=any update >"$apt_dir/update.log" 2>&1; then
        return 0
    fi
    if grep -q -e NO_PUBKEY -e 'is not signed' -e 'invalid signature' -e EXPKEYSIG \
        "$apt_dir/update.log"; then
        echo "The mirror's signature cannot be verified with $apt_keyring:" >&2
        grep -e '^[WE]:' "$apt_dir/update.log" >&2
        echo "Install a newer debian-archive-keyring; nothing is used unverified." >&2
        return 1
    fi
    grep -e '^[WE]:' "$apt_dir/update.log" | head -n 3 >&2
    return 3
}
