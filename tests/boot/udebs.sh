# Sourced by installer.sh: makes the installer's components (udebs) for riscv64 where the mirror has
# their index but not the archives themselves, and serves them with the rest of the mirror from this
# host.
#
# Components that are the same for all processors come from the mirror. Of the others, what is text
# (scripts, questions, recipes) is taken out of the amd64 archives, which mirrors do have; programs and
# libraries are riscv64's own, out of the ordinary packages where these have the same files, or compiled
# from the components' sources. Two programs of bootstrap-base whose source is in no index have
# stand-ins: pkgdetails.c, and a run-debootstrap that shows no progress. Components for what this
# installation does not use (RAID, iSCSI, XFS ...) are left out.

udebs_all="apt-mirror-setup base-installer debootstrap-udeb finish-install partman-basicmethods
    partman-ext3 partman-target pkgsel tzsetup-udeb user-setup-udeb"
udebs_text="apt-setup-udeb bootstrap-base clock-setup di-utils-mapdevfs disk-detect grub-installer
    os-prober-udeb partman-auto partman-base partman-basicfilesystems partman-efi partman-partitioning
    partman-utils"
# Which ordinary packages a component's files are in.
udebs_packages="dosfstools-udeb:dosfstools rdate-udeb:rdate libbsd0-udeb:libbsd0 libmd0-udeb:libmd0
    e2fsprogs-udeb:e2fsprogs,libext2fs2t64,libcom-err2,libss2
    libdevmapper1.02.1-udeb:libdevmapper1.02.1 libparted2-udeb:libparted2t64
    libparted-fs-resize0-udeb:libparted-fs-resize0t64"
udebs_kernel_modules="ext4-modules:fs/ext4/ext4,fs/jbd2/jbd2 scsi-modules:drivers/block/virtio_blk"
udebs_index=dists/trixie/main/debian-installer/binary-riscv64/Packages

# Brings a component, in the version of architecture $2, as FOLDER/NAME.udeb.
udebs_bring() {
    udeb_file=$(awk -v name="$1" '$1 == "Package:" { p = $2 } $1 == "Filename:" && p == name { print $2 }' \
        "udebs-$2")
    udeb_sum=$(awk -v name="$1" '$1 == "Package:" { p = $2 } $1 == "SHA256:" && p == name { print $2 }' \
        "udebs-$2")
    [ -n "$udeb_file" ] && download "$mirror/$udeb_file" "$3/$1.udeb" SHA256:"$udeb_sum" ||
        { echo "no $1 of $2: $(grep -m 1 '^E:' helper.log)"; return 1; }
}

# The control file of riscv64's component $1, out of the index: what it needs, gives, and its place
# in the installer's menu.
udebs_control() {
    awk -v name="$1" '$1 == "Package:" { mine = $2 == name }
        mine && /^(Package|Version|Maintainer|Architecture|Provides|Depends|Enhances|Description|Section|Priority|Installer-Menu-Item):/' \
        udebs-riscv64
}

udebs_pack() { dpkg-deb -Zgzip --root-owner-group -b "$1" "$2" >/dev/null; }

# Ordinary packages, unpacked below DIRECTORY without what an installer has no room for.
udebs_unpack() {
    for udeb_package in $2; do
        apt_private -q download "$udeb_package:riscv64" >>apt.log 2>&1 || { tail -n 3 apt.log; return 1; }
        dpkg-deb -x "$(ls -t "$udeb_package"_*.deb | head -n 1)" "$1" || return 1
    done
    rm -rf "$1/usr/share/doc" "$1/usr/share/man" "$1/usr/share/locale" "$1/usr/lib/systemd"
}

# The kernel's own modules that its ramdisk does not have, from the kernel's package.
udebs_modules() {
    udebs_unpack kernel "linux-image-$1" || return 1
    for udeb_modules in $udebs_kernel_modules; do
        udeb_name=${udeb_modules%%:*}-$1-di
        udeb_root=made/$udeb_name
        mkdir -p "$udeb_root/DEBIAN"
        for module in $(echo "${udeb_modules#*:}" | tr ',' ' '); do
            install -D -m 644 "kernel/usr/lib/modules/$1/kernel/$module.ko.xz" \
                "$udeb_root/usr/lib/modules/$1/kernel/$module.ko.xz" || return 1
        done
        cat >"$udeb_root/DEBIAN/control" <<END
Package: $udeb_name
Version: 1
Architecture: riscv64
Maintainer: nobody <nobody@localhost>
Section: debian-installer
Priority: standard
Kernel-Version: $1
Provides: $(echo "${udeb_modules%%:*}" | sed 's/ext4-modules/ext2-modules, ext3-modules, ext4-modules/')
Description: modules of the Linux kernel
END
        udebs_pack "$udeb_root" "$udebs/$udeb_name.udeb" || return 1
    done
}

# compile SOURCE PROGRAM LIBRARY...: for riscv64; what the libraries need is in the installer.
udebs_compile() {
    udeb_source=$1
    udeb_program=$2
    shift 2
    mkdir -p "$(dirname "$udeb_program")"
    riscv64-linux-gnu-gcc -Os -w -D_GNU_SOURCE -Idev/usr/include -Ldev/usr/lib/riscv64-linux-gnu \
        -Wl,--unresolved-symbols=ignore-in-shared-libs "$udeb_source" -o "$udeb_program" "$@"
}

# Puts riscv64's programs where the amd64 components had theirs.
udebs_programs() {
    udebs_unpack dev "libparted-dev libparted2t64 libparted-fs-resize0t64 libdebian-installer4-dev
        libdebian-installer4" && udebs_unpack prober os-prober || return 1
    for udeb_package in partman-base partman-auto debian-installer-utils clock-setup grub-installer; do
        mkdir -p "source/$udeb_package"
        apt_private -q source --tar-only --download-only "$udeb_package" >>apt.log 2>&1 &&
            tar -xf "$udeb_package"_*.tar.xz --strip-components 1 -C "source/$udeb_package" ||
            { tail -n 3 apt.log; return 1; }
    done
    partman=source/partman-base
    udebs_compile $partman/parted_server.c made/partman-base/bin/parted_server -lparted-fs-resize -lparted &&
        udebs_compile $partman/parted_devices.c made/partman-utils/bin/parted_devices -lparted &&
        udebs_compile $partman/partmap.c made/partman-utils/bin/partmap -lparted &&
        udebs_compile source/debian-installer-utils/mapdevfs.c made/di-utils-mapdevfs/bin/mapdevfs \
            -ldebian-installer &&
        udebs_compile source/clock-setup/set-date-epoch.c made/clock-setup/sbin/set-date-epoch &&
        udebs_compile source/grub-installer/ensure-active.c \
            made/grub-installer/usr/lib/grub-installer/ensure-active -lparted &&
        udebs_compile "$SRCDIR/tests/boot/pkgdetails.c" made/bootstrap-base/usr/lib/debootstrap/pkgdetails &&
        install -D prober/usr/lib/os-prober/newns made/os-prober-udeb/usr/lib/os-prober/newns || return 1
    mkdir -p made/bootstrap-base/usr/sbin
    cat >made/bootstrap-base/usr/sbin/run-debootstrap <<'END'
#!/bin/sh
exec 3>&1
unset DEBIAN_HAS_FRONTEND DEBIAN_FRONTEND DEBCONF_FRONTEND DEBCONF_REDIR
PERL_BADLANG=0 exec debootstrap "$@"
END
    chmod 755 made/bootstrap-base/usr/sbin/run-debootstrap
    sed 's/amd64/riscv64/g' made/bootstrap-base/usr/lib/base-installer/kernel.sh >kernel.sh &&
        mv kernel.sh made/bootstrap-base/usr/lib/base-installer/kernel.sh || return 1
    rm -rf made/partman-auto/lib/partman/recipes-*
    for recipes in source/partman-auto/recipes-riscv64*; do
        udeb_recipes=made/partman-auto/lib/partman/$(basename "$recipes")
        mkdir -p "$udeb_recipes"
        sed -n 's/^\([0-9][0-9]*\)[ \t]\{1,\}\([a-z_]*\).*/\1 \2/p' "$recipes/_numbers" |
            while read -r number recipe; do
                cp "$recipes/$recipe" "$udeb_recipes/$number$recipe" || exit 1
            done || return 1
    done
}

# Makes the components in the mirror's folder $1, for the kernel of release $2.
udebs_make() {
    udebs=$1/pool
    mkdir -p "$udebs" amd64 made "$(dirname "$1/$udebs_index")"
    sed -i 's/^APT::Architectures {.*/APT::Architectures { "riscv64"; "amd64"; };/' "$apt_dir/apt.conf"
    sed 's/^deb /deb-src /' "$apt_dir/sources.list" >sources && cat sources >>"$apt_dir/sources.list"
    apt_private_update || return 1
    for arch in riscv64 amd64; do
        download "$mirror/dists/trixie/main/debian-installer/binary-$arch/Packages.xz" "udebs-$arch.xz" &&
            xz -dc "udebs-$arch.xz" >"udebs-$arch" || { cat helper.log; return 1; }
    done
    for udeb in $udebs_all; do udebs_bring "$udeb" riscv64 "$udebs" || return 1; done
    for udeb in $udebs_text; do
        udebs_bring "$udeb" amd64 amd64 && dpkg-deb -R "amd64/$udeb.udeb" "made/$udeb" || return 1
        find "made/$udeb" -type f -exec sh -c 'head -c 4 "$1" | grep -q ELF && rm "$1"' sh {} \;
    done
    udebs_programs || return 1
    for udeb in $udebs_packages; do
        udebs_unpack "made/${udeb%%:*}" "$(echo "${udeb#*:}" | tr ',' ' ')" || return 1
        mkdir "made/${udeb%%:*}/DEBIAN"
    done
    for udeb_root in made/*; do
        udeb=$(basename "$udeb_root")
        udebs_control "$udeb" >"$udeb_root/DEBIAN/control" &&
            udebs_pack "$udeb_root" "$udebs/$udeb.udeb" || return 1
    done
    udebs_modules "$2" || return 1
    (cd "$1" && dpkg-scanpackages -t udeb -m pool >"$udebs_index" 2>scan.log) || { cat "$1/scan.log"; return 1; }
    # The mirror's list of indices, with this one in place of its own; so its signature is none.
    download "$mirror/dists/trixie/Release" Release &&
        grep -v '/debian-installer/binary-riscv64/' Release >"$1/dists/trixie/Release" &&
        printf ' %s %s %s\n' "$(sha256sum <"$1/$udebs_index" | cut -d ' ' -f 1)" \
            "$(wc -c <"$1/$udebs_index")" "${udebs_index#dists/trixie/}" >>"$1/dists/trixie/Release"
}

# Serves the folder $1 with the rest of the mirror. $udebs_server is the process, $address what the
# guest calls it.
udebs_serve() {
    python3 "$SRCDIR/tests/boot/mirror.py" "$1" "$mirror" port mirror.log &
    udebs_server=$!
    for second in $(seq 30); do
        [ ! -e port ] || break
        sleep 1
    done
    address=10.0.2.2:$(cat port)/debian
}
