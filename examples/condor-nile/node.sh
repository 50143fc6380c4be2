#!/bin/sh
# Runs a program with the Node that NODE names. HTCondor brings this file to the machine that runs the job.
exec "${NODE:-node}" "$@"
