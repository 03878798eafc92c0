# Runs a server until it ends or the standard input does, then removes the server's folder. A test process that is
# killed closes the pipe like one that ends well, so that no server outlives it.
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
(read -r _; kill -TERM "$server") <&3 &
watcher=$!
exec 3<&-
wait "$server"
ended=$?
kill "$watcher" 2>/dev/null
wait "$watcher"
rm -rf -- "$VCSE_RT_FOLDER"
exit "$ended"
