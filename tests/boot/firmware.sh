# Sourced by tests that boot disks, behind boot.sh: firmware of Debian's packages in a data folder of
# the tests' own, state that is the test's alone, and the current directory in $TMP.

XDG_STATE_HOME=$TMP/state
XDG_DATA_HOME=$(dirname "$cache")/test-data
export XDG_STATE_HOME XDG_DATA_HOME
cd "$TMP" || exit 1
[ -d "$XDG_DATA_HOME/metic/firmware" ] || "$METIC" build firmware --quiet || exit 1
