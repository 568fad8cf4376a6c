# Sourced by checks that need something of the network.
#
# fetch VARIABLE SCRIPT [ARGUMENT]...: sets it to what that script of tests/ prints, which brings the
# thing or has it already. Without a network the check is skipped.

fetch() {
    fetch_variable=$1
    fetch_script=$2
    shift 2
    fetch_path=$(sh "$SRCDIR/tests/$fetch_script" "$@" 2>"$TMP/fetch.log")
    case $? in
    0) eval "$fetch_variable=\$fetch_path" ;;
    3) tail -n 1 "$TMP/fetch.log"; exit 77 ;;
    *) cat "$TMP/fetch.log"; exit 1 ;;
    esac
}
