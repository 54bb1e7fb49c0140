// waiting N: N goroutines at once that each sleep for 10 ms three times.
// SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"log"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
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

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: waiting N")
	}
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}

	memoryBefore, cpuBefore, start := peak(), cpu(), time.Now()
	var slept int64
	var running sync.WaitGroup
	running.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			defer running.Done()
			for step := 0; step < 3; step++ {
				time.Sleep(10 * time.Millisecond)
				atomic.AddInt64(&slept, 1)
			}
		}()
	}
	running.Wait()
	wall := time.Since(start)

	if slept != int64(3*count) {
		log.Fatal("not every goroutine has slept")
	}
	fmt.Printf("wall %.6f cpu %.6f memory %d %s\n", wall.Seconds(),
		(cpu() - cpuBefore).Seconds(), peak()-memoryBefore, runtime.Version())
}
