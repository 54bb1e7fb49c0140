// tasks WORK N [M]: what goroutines cost, and what they hand over; the same work
// as bench/tasks.lua.
// SPDX-License-Identifier: MIT
package main

import (
	"log"
	"os"
	"sync"
	"sync/atomic"
)

func nothing() {}

// spawn starts goroutines that do nothing, a thousand at a time.
func spawn(count, _ int) {
	for done := 0; done < count; done += 1000 {
		var running sync.WaitGroup
		running.Add(1000)
		for i := 0; i < 1000; i++ {
			go func() {
				nothing()
				running.Done()
			}()
		}
		running.Wait()
	}
}

func await(count, _ int) {
	done := make(chan struct{})
	for i := 0; i < count; i++ {
		go func() {
			nothing()
			done <- struct{}{}
		}()
		<-done
	}
}

func gather(count, many int) {
	for done := 0; done < count; done += many {
		var running sync.WaitGroup
		running.Add(many)
		for i := 0; i < many; i++ {
			go func() {
				nothing()
				running.Done()
			}()
		}
		running.Wait()
	}
}

func channel(count, _ int) {
	values := make(chan int, 1)
	go func() {
		for i := 1; i <= count; i++ {
			values <- i
		}
		close(values)
	}()
	sum := 0
	for value := range values {
		sum += value
	}
	if sum != count*(count+1)/2 {
		log.Fatal("a value is missing")
	}
}

// semaphore hands a channel of one place over, many goroutines waiting.
func semaphore(count, many int) {
	desk, served := make(chan struct{}, 1), make(chan struct{})
	desk <- struct{}{}
	left := int64(count)
	for i := 0; i < many; i++ {
		go func() {
			for atomic.LoadInt64(&left) > 0 {
				desk <- struct{}{}
				if atomic.AddInt64(&left, -1) == 0 {
					close(served)
				}
				<-desk
			}
		}()
	}
	<-desk
	<-served
}

func main() {
	work := map[string]func(int, int){"spawn": spawn, "await": await,
		"gather": gather, "channel": channel, "semaphore": semaphore}[os.Args[1]]
	many := 0
	if len(os.Args) > 3 {
		many = number(3)
	}
	count := number(2)
	measure(func() { work(count, many) })
}
