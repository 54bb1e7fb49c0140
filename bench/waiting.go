// waiting N: N goroutines at once that each sleep for 10 ms three times.
// SPDX-License-Identifier: MIT
package main

import (
	"log"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	count := number(1)
	var slept int64
	measure(func() {
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
	})
	if slept != int64(3*count) {
		log.Fatal("not every goroutine has slept")
	}
}
