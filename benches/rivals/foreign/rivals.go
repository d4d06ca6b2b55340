// The contestants in Go: goroutines and channels, as `rivals WORKLOAD`. Requests are lines
// `N RUNS` on standard input, answers the nanoseconds of all runs on standard output.
package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const producers = 8

func spawned(n int) []chan uint64 {
	results := make([]chan uint64, n)
	for i := range results {
		result, own := make(chan uint64, 1), uint64(i)
		results[i] = result
		go func() { result <- own }()
	}
	return results
}

func received(results []chan uint64) uint64 {
	sum := uint64(0)
	for _, result := range results {
		sum += <-result
	}
	return sum
}

func spawnJoin(n int) time.Duration {
	start := time.Now()
	sum := received(spawned(n))
	return checked(start, sum, sumBelow(n))
}

func producers8(n int) time.Duration {
	share := n / producers
	var sum uint64
	var done sync.WaitGroup
	start := time.Now()
	for i := 0; i < producers; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			atomic.AddUint64(&sum, received(spawned(share)))
		}()
	}
	done.Wait()
	return checked(start, sum, producers*sumBelow(share))
}

func roundtrip(n int) time.Duration {
	start := time.Now()
	sum := uint64(0)
	for i := 0; i < n; i++ {
		result, own := make(chan uint64, 1), uint64(i)
		go func() { result <- own }()
		sum += <-result
	}
	return checked(start, sum, sumBelow(n))
}

// Each link is a goroutine that waits for the one before.
func chain(n int) time.Duration {
	start := time.Now()
	head := make(chan uint64, 1)
	last := head
	for i := 1; i <= n; i++ {
		before, after, own := last, make(chan uint64, 1), uint64(i)
		go func() {
			value := <-before + 1
			if value > own {
				value = own
			}
			after <- value
		}()
		last = after
	}
	head <- 0
	return checked(start, <-last, uint64(n))
}

// Each observer is a goroutine that waits until a channel is closed.
func fanout(n int) time.Duration {
	start := time.Now()
	var seen uint64
	var value uint64
	settled := make(chan struct{})
	var done sync.WaitGroup
	done.Add(n)
	for i := 0; i < n; i++ {
		go func() {
			<-settled
			atomic.AddUint64(&seen, value)
			done.Done()
		}()
	}
	value = 1
	close(settled)
	done.Wait()
	return checked(start, seen, uint64(n))
}

// Channels, received from one after another: Go has no joined promise.
func fanin(n int) time.Duration {
	start := time.Now()
	results := make([]chan uint64, n)
	for i := range results {
		results[i] = make(chan uint64, 1)
	}
	go func() {
		for i, result := range results {
			result <- uint64(i)
		}
	}()
	return checked(start, received(results), sumBelow(n))
}

func fib(n int) uint64 {
	if n < 2 {
		return uint64(n)
	}
	one, two := make(chan uint64, 1), make(chan uint64, 1)
	go func() { one <- fib(n - 1) }()
	go func() { two <- fib(n - 2) }()
	return <-one + <-two
}

func forkjoin(n int) time.Duration {
	start := time.Now()
	result := fib(n)
	wanted, next := uint64(0), uint64(1)
	for i := 0; i < n; i++ {
		wanted, next = next, wanted+next
	}
	return checked(start, result, wanted)
}

func sumBelow(n int) uint64 {
	return uint64(n) * uint64(n-1) / 2
}

func checked(start time.Time, found, wanted uint64) time.Duration {
	spent := time.Since(start)
	if found != wanted {
		panic(fmt.Sprintf("%d instead of %d", found, wanted))
	}
	return spent
}

func main() {
	run := map[string]func(int) time.Duration{
		"spawn_join": spawnJoin,
		"producers8": producers8,
		"roundtrip":  roundtrip,
		"chain":      chain,
		"fanout":     fanout,
		"fanin":      fanin,
		"forkjoin":   forkjoin,
	}[os.Args[1]]
	var n, runs int
	for {
		if _, end := fmt.Scanln(&n, &runs); end != nil {
			return
		}
		var spent time.Duration
		for i := 0; i < runs; i++ {
			spent += run(n)
		}
		fmt.Println(spent.Nanoseconds())
	}
}
