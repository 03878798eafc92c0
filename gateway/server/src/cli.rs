//! The command line. Exit codes: 0 done, 1 the thing checked is not right, 2 usage, 3 the environment failed.

mod account;
mod adapter;
pub(crate) mod alignment;
mod asked;
mod audit;
mod backup;
mod config;
mod dead_letters;
mod disclosures;
mod link;
pub(crate) mod logging;
mod needs;
mod notices;
mod reconcile;
mod referrals;
mod reports;
mod route;
mod serve;
mod statuses;
mod store;
mod translate;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// The thing that was checked is not right.
    NotRight,
    /// The command was used in a wrong way.
    Usage,
    /// The environment failed.
    Environment,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::NotRight => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Environment => Self::from(3),
        }
    }
}

/// Referral gateway between GP systems and VCSE platforms.
#[derive(Debug, Parser)]
#[command(name = "vcse-gateway", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows the whole way of a referral with simulated platforms and a simulated GP system, on loopback.
    Demo {
        /// How many referrals the simulated GP system sends.
        #[arg(long, default_value_t = 50)]
        referrals: u32,
        /// Ends when every referral is settled; exits non-zero unless every one is aligned.
        #[arg(long)]
        once: bool,
        /// Plays one scene instead: two referrals, one delivered and one queued, whose consents are withdrawn; then ends.
        #[arg(long, conflicts_with_all = ["referrals", "once"])]
        withdraw: bool,
        /// `sqlite`, or `postgres`: three gateways, each a process, over a private PostgreSQL server, which must be installed.
        #[arg(long, default_value = "sqlite", conflicts_with = "withdraw")]
        store: crate::demo::Engine,
        /// Kills one of the three gateways every so many seconds (SIGKILL) and starts another; `--store postgres` alone.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "withdraw")]
        kill_every: Option<u32>,
        /// Seed of everything that is left to chance.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Runs the gateway.
    Serve {
        /// The configuration file.
        #[arg(long)]
        config: PathBuf,
        /// Goes on with a store that was put back from a copy: until then the gateway takes in and sends nothing.
        #[arg(long)]
        resume: bool,
    },
    /// Copies the store as it stands at one moment, also while a gateway runs, with its SHA-256 beside it.
    Backup {
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// The file to write; it must not exist.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Looks a copy over and puts it in the place of a store that is gone. The gateway then starts without sending anything.
    Restore {
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// The copy.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
    /// Looks over a store, or moves it.
    Store {
        #[command(subcommand)]
        action: StoreAction,
    },
    /// Checks a configuration, or prints an example.
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Looks over the audit.
    Audit {
        #[command(subcommand)]
        action: AuditAction,
    },
    /// Who received which data of a person, when, on which consent, and what was withheld.
    Disclosures(DisclosuresArguments),
    /// Lists what could not be delivered and waits for a person, and lets it go on.
    DeadLetters {
        #[command(subcommand)]
        action: DeadLettersAction,
    },
    /// What could not be told on the GP's side, and how telling stands with one referral.
    Notices {
        #[command(subcommand)]
        action: NoticesAction,
    },
    /// Compares the GP's Tasks, the running gateway and what platforms say now; repairs what differs, or puts it in front of a person.
    Reconcile(reconcile::ReconcileArguments),
    /// How many referrals agree everywhere, and how long a platform's word took to the GP. Read from the store; a gateway may be running
    /// meanwhile. Ends with 1 where anything differs that nobody was told of.
    Alignment {
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// Only of this customer.
        #[arg(long)]
        tenant: Option<String>,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
    /// Statements of platforms that belong to no referral.
    Reports {
        #[command(subcommand)]
        action: ReportsAction,
    },
    /// Where a referral is, for what it waits, and when it goes.
    Referrals {
        #[command(subcommand)]
        action: ReferralsAction,
    },
    /// Who signs in to the link workers' pages.
    Account {
        #[command(subcommand)]
        action: account::AccountAction,
    },
    /// Passphrases of organisations that answer behind status links, and how the links of a referral stand.
    Link {
        #[command(subcommand)]
        action: LinkAction,
    },
    /// What platforms' status words mean, and which are unknown.
    Statuses {
        #[command(subcommand)]
        action: StatusesAction,
    },
    /// Says why a referral goes where it goes. Sends nothing.
    Route {
        #[command(subcommand)]
        action: RouteAction,
    },
    /// Shows what becomes of a referral at one platform: the request, field by field, and what is lost. Sends nothing.
    Translate(TranslateArguments),
    /// Lists, makes and proves adapters.
    Adapter {
        #[command(subcommand)]
        action: AdapterAction,
    },
}

#[derive(Debug, Subcommand)]
enum StoreAction {
    /// Whether all of it can be read, every seal and the audit hold, and, for a copy, no byte has changed. A gateway may be
    /// running on it.
    Check {
        /// The configuration of the gateway.
        #[arg(long, required_unless_present = "file")]
        config: Option<PathBuf>,
        /// A copy instead.
        #[arg(long, value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
    },
    /// Copies the store of a stopped gateway from its SQLite file into an empty PostgreSQL database, and proves that both
    /// hold the same. The file stays as it is.
    Copy {
        /// The file `gateway.db`, or the folder that it is in.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// A configuration whose `[store]` names the database.
        #[arg(long, value_name = "CONFIG")]
        to: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigAction {
    /// Names every fault with key, line and mend.
    Check {
        /// The configuration file.
        file: PathBuf,
    },
    /// Prints a commented configuration that starts as it stands.
    Example,
}

#[derive(Debug, Subcommand)]
enum AuditAction {
    /// Whether each line is the one that was written behind the one before it; names the first that is not. A gateway may be
    /// running meanwhile.
    Verify {
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
}

#[derive(Debug, clap::Args)]
struct DisclosuresArguments {
    /// The configuration of the gateway.
    #[arg(long)]
    config: PathBuf,
    /// Id of a Patient of the organisation; all records of the same person count.
    #[arg(long, value_name = "ID")]
    patient: String,
    /// ODS code of the organisation.
    #[arg(long, value_name = "ODS")]
    organisation: String,
    /// The customer; needed if the configuration has clients of several.
    #[arg(long)]
    tenant: Option<String>,
    /// `text`, `html` (a page to print) or `json` (a Bundle of AuditEvents).
    #[arg(long, default_value = "text", value_parser = ["text", "html", "json"])]
    format: String,
    /// Writes to a file instead of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ReferralsAction {
    /// Shows one with its errands, its attempts, and for what it waits. Read from the store; a gateway may be running meanwhile.
    Show {
        /// Id of the Task or the referral.
        id: String,
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
}

#[derive(Debug, Subcommand)]
enum NoticesAction {
    /// Lists those that are not tried again, with why; or all of one referral. Read from the store; a gateway may be running meanwhile.
    List {
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// Only of this customer.
        #[arg(long)]
        tenant: Option<String>,
        /// All of this referral: id of the Task or the referral.
        #[arg(long, conflicts_with = "tenant")]
        referral: Option<String>,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
}

#[derive(Debug, Subcommand)]
enum ReportsAction {
    /// Lists what platforms have said of referrals that nobody knows under that name. Read from the store; a gateway may be running
    /// meanwhile.
    Parked {
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// Only of this platform.
        #[arg(long)]
        platform: Option<String>,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
}

#[derive(Debug, Subcommand)]
enum LinkAction {
    /// Makes a new passphrase, shows it once, and says what to do with it and its hash.
    Passphrase,
    /// Lists the status links of a referral, without what opens them. Read from the store; a gateway may be running meanwhile.
    List {
        /// Id of the Task or the referral.
        #[arg(value_name = "REFERRAL")]
        id: String,
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
}

#[derive(Debug, Subcommand)]
enum StatusesAction {
    /// Writes the business statuses as CodeSystem and the words of every adapter's platform as ConceptMaps, in one Bundle.
    Export {
        /// Folder whose subfolders are adapters, beside those of this build.
        #[arg(long)]
        adapters: Option<PathBuf>,
    },
    /// Lists the words that platforms have said and no adapter knew. Read from the store; a gateway may be running meanwhile.
    Unmapped {
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// `table` or `json`.
        #[arg(long, default_value = "table", value_parser = ["table", "json"])]
        format: String,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLettersAction {
    /// Lists them, each with its cause, and what else a person has to settle with an organisation. Read from the store; a
    /// gateway may be running meanwhile.
    List {
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// Only of this customer.
        #[arg(long)]
        tenant: Option<String>,
        /// Only at this platform.
        #[arg(long)]
        platform: Option<String>,
        /// Only with this cause, as the list names it: `http-401`, `not-connected`, …
        #[arg(long)]
        cause: Option<String>,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
    /// Shows one with all its attempts and what to do next.
    Show {
        /// Id of the Task, the referral or the errand.
        id: String,
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
    /// Asks the running gateway to let them go on, each after a consent decision of its own.
    Redrive(RedriveArguments),
}

#[derive(Debug, clap::Args)]
struct RedriveArguments {
    #[command(flatten)]
    gateway: asked::GatewayArguments,
    /// Only this Task's; may be given several times.
    #[arg(long, value_name = "ID")]
    task: Vec<String>,
    /// Only those at this platform.
    #[arg(long)]
    platform: Option<String>,
    /// Only those with this cause.
    #[arg(long)]
    cause: Option<String>,
    /// All of the customer's.
    #[arg(long)]
    all: bool,
    /// The organisation was asked about this Task after so many attempts (`show` says how many there were) and does not have it:
    /// it is sent although the platform cannot be asked.
    #[arg(long, requires = "task", value_name = "ATTEMPTS")]
    asked: Option<u32>,
    /// Says what would go on and what would stay, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// `text` or `json`.
    #[arg(long, default_value = "text", value_parser = ["text", "json"])]
    format: String,
}

#[derive(Debug, Subcommand)]
enum RouteAction {
    /// Which route each Task of a transaction Bundle takes, and why not the others.
    Explain {
        /// A transaction Bundle.
        file: PathBuf,
        /// The configuration with the routes.
        #[arg(long)]
        config: PathBuf,
        /// The customer who would send it; needed if the configuration has clients of several.
        #[arg(long)]
        tenant: Option<String>,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
}

#[derive(Debug, clap::Args)]
struct TranslateArguments {
    /// The adapter that translates.
    #[arg(long, value_name = "NAME")]
    adapter: String,
    /// A Bundle as a sender posts it; or other Bundles and single resources, which are put together.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A folder of adapter folders, beside those of this build.
    #[arg(long, value_name = "DIR")]
    adapters: Option<PathBuf>,
    /// One of the adapter's settings; may be given several times.
    #[arg(short = 's', long = "set", value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// A TOML file with the adapter's settings.
    #[arg(long = "settings", value_name = "FILE")]
    settings_file: Option<PathBuf>,
    /// A configuration whose platform has the settings; consent is then decided, from the Consents in the files.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The id of that platform.
    #[arg(long, value_name = "ID")]
    platform: Option<String>,
    /// The customer who would send it; needed if the configuration has clients of several.
    #[arg(long, requires = "config")]
    tenant: Option<String>,
    /// One line for each field: where its value comes from, by which rule, and what was done to it.
    #[arg(long)]
    explain: bool,
    /// Shows values in the explanation, in place of keyed hashes.
    #[arg(long, requires = "explain")]
    reveal: bool,
    /// `text` or `json`.
    #[arg(long, default_value = "text", value_parser = ["text", "json"])]
    format: String,
}

impl From<TranslateArguments> for translate::Wanted {
    fn from(arguments: TranslateArguments) -> Self {
        Self {
            adapter: arguments.adapter,
            files: arguments.files,
            adapters: arguments.adapters,
            settings_file: arguments.settings_file,
            settings: arguments.settings,
            config: arguments.config,
            platform: arguments.platform,
            tenant: arguments.tenant,
            explain: arguments.explain,
            reveal: arguments.reveal,
            json: arguments.format == "json",
        }
    }
}

#[derive(Debug, Subcommand)]
enum AdapterAction {
    /// Lists them with what they can do.
    List {
        /// A folder of adapter folders, beside those of this build.
        #[arg(long, value_name = "DIR")]
        adapters: Option<PathBuf>,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
    /// Says what each adapter may receive, as a page for whoever decides on it.
    Needs {
        /// Only this adapter.
        name: Option<String>,
        /// A folder of adapter folders, beside those of this build.
        #[arg(long, value_name = "DIR")]
        adapters: Option<PathBuf>,
        /// `text` (Markdown) or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
    /// Makes a folder for a new adapter, with an example that passes every check.
    New {
        /// Its name: lower-case letters, digits and hyphens.
        name: String,
        /// Where the folder is made.
        #[arg(long = "in", value_name = "DIR", default_value = ".")]
        place: PathBuf,
    },
    /// Proves an adapter folder: manifest, mapping, data need, fixtures, coverage, mutants.
    Check {
        /// The folder.
        folder: PathBuf,
        /// Writes what the fixtures expect as the adapter does it now, for review.
        #[arg(long)]
        update: bool,
        /// `text` or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
}

/// Reads the arguments and runs the command.
pub async fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let exit = match arguments.command {
        Command::Demo { withdraw: true, seed, .. } => crate::demo::run_withdrawal(seed).await,
        Command::Demo { kill_every: Some(_), store: crate::demo::Engine::Sqlite, .. } => {
            complain("--kill-every needs several gateways: add --store postgres");
            Exit::Usage
        }
        Command::Demo { referrals, once, seed, store, kill_every, .. } => {
            crate::demo::run(referrals, once, seed, store, kill_every).await
        }
        Command::Serve { config, resume } => serve::run(&config, resume).await,
        Command::Backup { config, to } => backup::take(&config, &to),
        Command::Restore { config, from } => backup::restore(&config, &from),
        Command::Store { action: StoreAction::Check { config, file } } => {
            backup::check(config.as_deref(), file.as_deref())
        }
        Command::Config { action: ConfigAction::Check { file } } => config::check(&file),
        Command::Config { action: ConfigAction::Example } => config::example(),
        Command::Audit { action: AuditAction::Verify { config, format } } => audit::verify(&config, &format).await,
        Command::DeadLetters { action } => dead_letters::run(&action).await,
        Command::Reconcile(arguments) => reconcile::run(&arguments).await,
        Command::Alignment { config, tenant, format } => {
            alignment::show(&config, tenant.as_deref(), format == "json").await
        }
        Command::Reports { action } => reports::run(&action).await,
        Command::Statuses { action } => statuses::run(&action).await,
        Command::Referrals { action: ReferralsAction::Show { id, config, format } } => {
            referrals::show(&config, &id, format == "json").await
        }
        Command::Notices { action: NoticesAction::List { config, tenant, referral, format } } => {
            notices::list(&config, tenant.as_deref(), referral.as_deref(), format == "json").await
        }
        Command::Account { action } => account::run(action).await,
        Command::Link { action: LinkAction::Passphrase } => link::make(),
        Command::Link { action: LinkAction::List { id, config, format } } => {
            link::list(&config, &id, format == "json").await
        }
        Command::Store { action: StoreAction::Copy { from, to } } => store::run(&from, &to).await,
        Command::Disclosures(arguments) => disclosures::run(&arguments).await,
        Command::Route { action: RouteAction::Explain { file, config, tenant, format } } => {
            route::explain(&file, &config, tenant.as_deref(), &format)
        }
        Command::Translate(arguments) => translate::run(&arguments.into()),
        Command::Adapter { action: AdapterAction::List { adapters, format } } => {
            adapter::list(adapters.as_deref(), &format)
        }
        Command::Adapter { action: AdapterAction::Needs { name, adapters, format } } => {
            needs::print(name.as_deref(), adapters.as_deref(), &format)
        }
        Command::Adapter { action: AdapterAction::New { name, place } } => adapter::new(&name, &place),
        Command::Adapter { action: AdapterAction::Check { folder, update, format } } => {
            adapter::prove(&folder, update, &format)
        }
    };
    exit.into()
}

/// One line to standard output. A closed pipe is not a fault of ours.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// One line to standard error.
pub(crate) fn complain(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}
