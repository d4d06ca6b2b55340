//! How the benches with criterion measure: few samples, so that all of them together stay under
//! three minutes.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};

/// Times `run` at every size in `sizes`. `operations` says how many there are in one run at a size;
/// criterion prints them per second.
pub(crate) fn measure(
    name: &str,
    sizes: &[u64],
    operations: impl Fn(u64) -> u64,
    run: impl Fn(u64),
) {
    let mut criterion = Criterion::default()
        .without_plots()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .configure_from_args();
    let mut group = criterion.benchmark_group(name);
    group.sampling_mode(SamplingMode::Flat);
    for &size in sizes {
        group.throughput(Throughput::Elements(operations(size)));
        group.bench_with_input(
            BenchmarkId::from_parameter(size),
            &size,
            |bencher, &size| {
                bencher.iter(|| run(size));
            },
        );
    }
    group.finish();
    criterion.final_summary();
}
