//! `hitotsu-gateway`: the gateway and its commands.

fn main() -> std::process::ExitCode {
    hitotsu_gateway::cli::main()
}
