#[path = "../tests/fixture/mod.rs"]
mod fixture;
fn main() {
    let files = [fixture::result()];
    print!("{}", vhost_accel_bench::report::text(&files));
    println!("=====\n{}", vhost_accel_bench::report::readme_table(&files));
    vhost_accel_bench::report::write_pages(std::path::Path::new("/tmp/show"), &files).unwrap();
}
