#!/bin/sh
# Whether a job of LSF is running, success or failed. One that LSF does not know, asked thrice, counts as failed.
for pause in 5 5 0; do
    said=$(bjobs -noheader -o stat "$1" 2> /dev/null)
    [ -z "$said" ] || break
    sleep $pause
done
case $said in
    DONE) echo success ;;
    "" | EXIT | ZOMBI) echo failed ;;
    *) echo running ;;
esac
