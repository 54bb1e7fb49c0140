// Measures one piece of work and prints what it took, as all programs of the
// bench do.
// SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"log"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// peak returns the most memory the process has had resident so far, in bytes.
func peak() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		log.Fatal(err)
	}
	line := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status)
	kilobytes, err := strconv.Atoi(string(line[1]))
	if err != nil {
		log.Fatal(err)
	}
	return kilobytes * 1024
}

// cpu returns the processor time that the process has used so far.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// number returns an argument, from 1.
func number(index int) int {
	if len(os.Args) <= index {
		log.Fatal("an argument is missing")
	}
	value, err := strconv.Atoi(os.Args[index])
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func measure(work func()) {
	memoryBefore, cpuBefore, start := peak(), cpu(), time.Now()
	work()
	wall := time.Since(start)
	fmt.Printf("wall %.6f cpu %.6f memory %d %s\n", wall.Seconds(),
		(cpu() - cpuBefore).Seconds(), peak()-memoryBefore, runtime.Version())
}
