//! The service: what the service control manager starts, and how it is put there and taken away.

mod host;

use std::ffi::OsString;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use clap::{Args, Subcommand};
use tracing::Level;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceErrorControl,
    ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType,
    ServiceState, ServiceType,
};
use windows_service::service_control_handler::{ServiceControlHandlerResult, register};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{define_windows_service, service_dispatcher};

use super::event_log::{self, EventLog};
use crate::cli::out::outln;
use crate::failure::Failure;
use crate::serve;
use crate::serve::ServeArgs;
use crate::service_manager as manager;

/// The commands below `netbootd service`.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    /// Add the service, which starts with Windows, and the source of its events; start it with `sc
    /// start netbootd`.
    Install(InstallArgs),
    /// Stop the service and take it away. Configuration, images and state stay.
    Remove,
    /// Set up an installed service: its folder, events, firewall rules, and restarts after a crash. The
    /// installation package runs it.
    Configure(ConfigureArgs),
    /// Take back events and firewall rules of `configure`; the folder stays.
    Unconfigure,
    /// Run under the service control manager; not for people.
    #[command(hide = true)]
    Run(ServeArgs),
}

/// The arguments of `netbootd service install`.
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The configuration file that it reads [default: C:\ProgramData\netbootd\netbootd.toml if it
    /// exists, else built in].
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
}

/// The arguments of `netbootd service configure`.
#[derive(Debug, Args)]
pub(crate) struct ConfigureArgs {
    /// The account of the service, which gets access to its folder.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Start the service; a start that fails is reported and no error.
    #[arg(long)]
    start: bool,
}

pub(crate) fn run(command: &ServiceCommand) -> Result<(), Failure> {
    match command {
        ServiceCommand::Install(args) => install(args),
        ServiceCommand::Remove => remove(),
        ServiceCommand::Configure(args) => configure(args),
        ServiceCommand::Unconfigure => {
            host::close_firewall();
            // One that was never registered is gone already.
            let _ = event_log::unregister();
            Ok(())
        }
        ServiceCommand::Run(args) => dispatch(args),
    }
}

/// Whether this process is the service.
pub(crate) fn is_one() -> bool {
    ARGS.get().is_some()
}

fn dispatch(args: &ServeArgs) -> Result<(), Failure> {
    let own = ServeArgs {
        config: args.config.clone(),
        root: args.root.clone(),
        state_dir: args.state_dir.clone(),
        progress: false,
    };
    let _ = ARGS.set(own); // a process has one service
    service_dispatcher::start(NAME, service_main).map_err(|error| {
        Failure::Unusable(format!(
            "{}; the service control manager starts this: sc start {NAME} (netbootd serve runs without it)",
            words(&error)
        ))
    })
}

define_windows_service!(service_main, serve_until_stopped);

/// On the thread of the service control manager: its end is the service's.
fn serve_until_stopped(_: Vec<OsString>) {
    let Some(args) = ARGS.get() else { return };
    let handler = |control| match control {
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        ServiceControl::Stop | ServiceControl::Shutdown => {
            manager::STOP.notify_one();
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::ParamChange => {
            manager::RELOAD.notify_one();
            ServiceControlHandlerResult::NoError
        }
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let Ok(status) = register(NAME, handler) else { return }; // nobody can be told
    manager::follow(status);
    let served = serve::run(args);
    let code = match &served {
        Ok(()) => ServiceExitCode::NO_ERROR,
        Err(failure) => {
            // The log may not have begun.
            if let Some(log) = EventLog::open() {
                log.write(Level::ERROR, failure.to_string().trim_end());
            }
            ServiceExitCode::ServiceSpecific(failure.exit_code().into())
        }
    };
    manager::tell(ServiceState::Stopped, code);
}

fn install(args: &InstallArgs) -> Result<(), Failure> {
    let info = info(args.config.as_deref())?;
    let manager = open(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let service =
        manager.create_service(&info, access).map_err(|error| refused("add the service", &error))?;
    outln!("service {NAME} added: it starts with Windows, as LocalSystem");
    let described = service.set_description("Network-boots PCs by PXE and UEFI HTTP boot, and Macs by BSDP.");
    described.map_err(|error| refused("describe the service", &error))?;
    restart_after_crashes(&service)?;
    outln!("{}", host::events()?);
    outln!("{}", host::own_folder(None)?);
    Ok(())
}

fn configure(args: &ConfigureArgs) -> Result<(), Failure> {
    let info = info(None)?;
    let manager = open(ServiceManagerAccess::CONNECT)?;
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let service = manager.open_service(NAME, access).map_err(|error| refused("open the service", &error))?;
    // An installer may leave the path without quotes. The account stays: there is none in `info`.
    service.change_config(&info).map_err(|error| refused("change the service", &error))?;
    restart_after_crashes(&service)?;
    outln!("{}", host::drop_privileges());
    outln!("{}", host::events()?);
    outln!("{}", host::own_folder(args.account.as_deref())?);
    outln!("{}", host::open_firewall(&info.executable_path));
    if args.start {
        match service.start::<OsString>(&[]) {
            Ok(()) => outln!("service {NAME} starts"),
            Err(error) => outln!("service {NAME} does not start: {}", words(&error)),
        }
    }
    Ok(())
}

/// The service as this program, with the configuration file that it reads.
fn info(config: Option<&Path>) -> Result<ServiceInfo, Failure> {
    let executable_path =
        std::env::current_exe().map_err(|error| Failure::Bug(format!("where this program is: {error}")))?;
    let mut launch_arguments: Vec<OsString> = vec!["service".into(), "run".into()];
    if let Some(config) = config {
        let config = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        launch_arguments.extend(["--config".into(), config.into()]);
    }
    Ok(ServiceInfo {
        name: NAME.into(),
        display_name: "netbootd network boot server".into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path,
        launch_arguments,
        dependencies: vec![],
        account_name: None,
        account_password: None,
    })
}

fn restart_after_crashes(service: &Service) -> Result<(), Failure> {
    let again = ServiceAction { action_type: ServiceActionType::Restart, delay: Duration::from_secs(5) };
    let on_failure = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(86_400)),
        reboot_msg: None,
        command: None,
        actions: Some(vec![again.clone(), again.clone(), again]),
    };
    let changed = service.update_failure_actions(on_failure);
    changed.map_err(|error| refused("have the service started anew when it ends unasked", &error))
}

fn remove() -> Result<(), Failure> {
    let manager = open(ServiceManagerAccess::CONNECT)?;
    let access = ServiceAccess::QUERY_STATUS | ServiceAccess::STOP | ServiceAccess::DELETE;
    let service = manager.open_service(NAME, access).map_err(|error| refused("open the service", &error))?;
    let running = service.query_status().is_ok_and(|status| status.current_state != ServiceState::Stopped);
    if running {
        service.stop().map_err(|error| refused("stop the service", &error))?;
    }
    service.delete().map_err(|error| refused("take the service away", &error))?;
    outln!("service {NAME} {}", if running { "stops, and is gone then" } else { "is gone" });
    // One that was never registered is gone already.
    let _ = event_log::unregister();
    Ok(())
}

fn open(access: ServiceManagerAccess) -> Result<ServiceManager, Failure> {
    ServiceManager::local_computer(None::<&str>, access)
        .map_err(|error| refused("reach the service control manager", &error))
}

fn refused(what: &str, error: &windows_service::Error) -> Failure {
    let denied = matches!(error, windows_service::Error::Winapi(cause)
        if cause.kind() == std::io::ErrorKind::PermissionDenied);
    let text = format!("cannot {what}: {}", words(error));
    if denied {
        Failure::Permission(format!("{text}; {}", super::PRIVILEGED))
    } else {
        Failure::Unusable(text)
    }
}

fn words(error: &windows_service::Error) -> String {
    netbootd_net::with_causes(error)
}

/// The arguments of the process; only the service sets them.
static ARGS: OnceLock<ServeArgs> = OnceLock::new();
const NAME: &str = "netbootd";
