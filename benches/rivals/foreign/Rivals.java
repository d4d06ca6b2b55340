// The contestants on the JVM: CompletableFuture, as `java Rivals WORKLOAD`. Requests are lines
// `N RUNS` on standard input, answers the nanoseconds of all runs on standard output.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

public final class Rivals {
    private interface Run {
        long of(int n) throws Exception;
    }

    // As many threads as the other pools for work that computes. The common pool has none of its
    // own on a machine with two processors.
    private static final int FEW = 2;
    private static final int PRODUCERS = 8;
    private static final ForkJoinPool POOL = new ForkJoinPool(FEW);
    // Settles what another thread waits for.
    private static final ExecutorService ELSEWHERE = Executors.newSingleThreadExecutor();
    private static final AtomicLong SEEN = new AtomicLong();

    public static void main(String[] args) throws Exception {
        Run run = called(args[0]);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        String request;
        while ((request = requests.readLine()) != null) {
            String[] words = request.split(" ");
            int n = Integer.parseInt(words[0]);
            long spent = 0;
            for (int left = Integer.parseInt(words[1]); left > 0; left--) {
                spent += run.of(n);
            }
            System.out.println(spent);
            System.out.flush();
        }
        System.exit(0);
    }

    private static Run called(String workload) {
        switch (workload) {
            case "spawn_join": return Rivals::spawnJoin;
            case "producers8": return Rivals::producers;
            case "roundtrip": return Rivals::roundtrip;
            case "chain": return Rivals::chain;
            case "fanout": return Rivals::fanout;
            case "fanin": return Rivals::fanin;
            case "all": return Rivals::all;
            case "forkjoin": return Rivals::forkjoin;
            case "cancel": return Rivals::cancel;
            case "timer_cancel": return Rivals::timerCancel;
            default: throw new IllegalArgumentException(workload);
        }
    }

    private static final int TIMERS = 10_000;
    private static final List<CompletableFuture<Long>> LIMITED = new ArrayList<>();

    private static CompletableFuture<Long> limited(int i) {
        return new CompletableFuture<Long>().orTimeout(3_600_000L + 7L * i, TimeUnit.MILLISECONDS);
    }

    // A limit is taken back when its future has a value.
    private static long timerCancel(int n) {
        while (LIMITED.size() < n) {
            LIMITED.add(limited(LIMITED.size()));
        }
        long start = System.nanoTime();
        for (int i = 0; i < TIMERS; i++) {
            limited(i).complete(0L);
        }
        return System.nanoTime() - start;
    }

    private static List<CompletableFuture<Long>> spawned(int n) {
        List<CompletableFuture<Long>> tasks = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            long own = i;
            tasks.add(CompletableFuture.supplyAsync(() -> own, POOL));
        }
        return tasks;
    }

    private static long joined(List<CompletableFuture<Long>> tasks) {
        long sum = 0;
        for (CompletableFuture<Long> task : tasks) {
            sum += task.join();
        }
        return sum;
    }

    private static long spawnJoin(int n) {
        long start = System.nanoTime();
        long sum = joined(spawned(n));
        return checked(start, sum, sumBelow(n));
    }

    private static long producers(int n) throws Exception {
        int share = n / PRODUCERS;
        CountDownLatch ready = new CountDownLatch(PRODUCERS);
        CountDownLatch go = new CountDownLatch(1);
        AtomicLong sum = new AtomicLong();
        Thread[] threads = new Thread[PRODUCERS];
        for (int i = 0; i < PRODUCERS; i++) {
            threads[i] = new Thread(() -> {
                try {
                    ready.countDown();
                    go.await();
                } catch (InterruptedException why) {
                    throw new IllegalStateException(why);
                }
                sum.addAndGet(joined(spawned(share)));
            });
            threads[i].start();
        }
        ready.await();
        long start = System.nanoTime();
        go.countDown();
        for (Thread thread : threads) {
            thread.join();
        }
        return checked(start, sum.get(), PRODUCERS * sumBelow(share));
    }

    private static long roundtrip(int n) {
        long start = System.nanoTime();
        long sum = 0;
        for (int i = 0; i < n; i++) {
            long own = i;
            sum += CompletableFuture.supplyAsync(() -> own, POOL).join();
        }
        return checked(start, sum, sumBelow(n));
    }

    private static long chain(int n) {
        long start = System.nanoTime();
        CompletableFuture<Long> head = new CompletableFuture<>();
        CompletableFuture<Long> task = head;
        for (int i = 1; i <= n; i++) {
            long own = i;
            task = task.thenApply(value -> Math.min(value + 1, own));
        }
        head.complete(0L);
        return checked(start, task.join(), n);
    }

    private static long fanout(int n) {
        long start = System.nanoTime();
        CompletableFuture<Long> task = new CompletableFuture<>();
        for (int i = 0; i < n; i++) {
            long own = i;
            task.thenAccept(value -> SEEN.addAndGet(own < 0 ? 0 : value));
        }
        task.complete(1L);
        return checked(start, SEEN.getAndSet(0), n);
    }

    private static long fanin(int n) {
        long start = System.nanoTime();
        List<CompletableFuture<Long>> tasks = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            tasks.add(new CompletableFuture<>());
        }
        CompletableFuture<Void> all = CompletableFuture.allOf(tasks.toArray(new CompletableFuture[0]));
        ELSEWHERE.execute(() -> {
            for (int i = 0; i < n; i++) {
                tasks.get(i).complete((long) i);
            }
        });
        all.join();
        return checked(start, joined(tasks), sumBelow(n));
    }

    private static long all(int n) {
        long start = System.nanoTime();
        List<CompletableFuture<Long>> tasks = spawned(n);
        CompletableFuture.allOf(tasks.toArray(new CompletableFuture[0])).join();
        return checked(start, joined(tasks), sumBelow(n));
    }

    private static final class Fib extends RecursiveTask<Long> {
        private final int n;

        Fib(int n) {
            this.n = n;
        }

        @Override
        protected Long compute() {
            if (n < 2) {
                return (long) n;
            }
            Fib one = new Fib(n - 1);
            Fib two = new Fib(n - 2);
            one.fork();
            two.fork();
            return two.join() + one.join();
        }
    }

    private static long forkjoin(int n) {
        long start = System.nanoTime();
        long result = POOL.invoke(new Fib(n));
        long wanted = 0;
        long next = 1;
        for (int i = 0; i < n; i++) {
            long sum = wanted + next;
            wanted = next;
            next = sum;
        }
        return checked(start, result, wanted);
    }

    private static long cancel(int n) throws Exception {
        CountDownLatch held = new CountDownLatch(FEW);
        CountDownLatch gate = new CountDownLatch(1);
        for (int i = 0; i < FEW; i++) {
            POOL.execute(() -> {
                held.countDown();
                try {
                    gate.await();
                } catch (InterruptedException why) {
                    throw new IllegalStateException(why);
                }
            });
        }
        held.await();
        long start = System.nanoTime();
        List<CompletableFuture<Long>> tasks = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            tasks.add(CompletableFuture.supplyAsync(SEEN::incrementAndGet, POOL));
        }
        for (CompletableFuture<Long> task : tasks) {
            task.cancel(false);
        }
        gate.countDown();
        CompletableFuture.supplyAsync(() -> 0L, POOL).join();
        return checked(start, SEEN.get(), 0);
    }

    private static long sumBelow(long n) {
        return n * (n - 1) / 2;
    }

    private static long checked(long start, long found, long wanted) {
        long spent = System.nanoTime() - start;
        if (found != wanted) {
            throw new IllegalStateException(found + " instead of " + wanted);
        }
        return spent;
    }
}
