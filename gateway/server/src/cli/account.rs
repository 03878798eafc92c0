//! `account add`, `list`, `passphrase`, `disable`, `enable`: who signs in to the link workers' pages. A passphrase is made here, shown once
//! and kept nowhere; only its hash is stored.

use super::audit::{load, open as open_to_read};
use super::{Exit, complain, say};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, Config, clients};
use crate::passphrase;
use crate::store::{CommitError, Store, StoreError};
use clap::{Args, Subcommand};
use gateway_core::account::{Account, AccountId, AccountRole};
use gateway_core::change::{AuditRecord, Change, Transaction};
use gateway_core::identity::{Client, GATEWAY_AUTHOR, TenantId};
use gateway_core::reach::{Name, Reach};
use gateway_fhir::instant::to_instant;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use time::OffsetDateTime;

/// What stands below a new passphrase.
const WHAT_TO_DO: &str = "\
This is shown once, and kept nowhere.
Tell it to the person by telephone, or face to face; never by mail. They sign in at /console/work of the gateway's address.
Whoever was signed in with another passphrase of this name has to sign in again.";

#[derive(Debug, Subcommand)]
pub(super) enum AccountAction {
    /// Makes an account and its passphrase.
    Add(Box<AddArguments>),
    /// Lists the accounts; nothing that opens one.
    List {
        /// The configuration of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// `text`, or `json`.
        #[arg(long, default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
    /// Makes another passphrase; whoever is signed in has to sign in again.
    Passphrase(OneArguments),
    /// Closes an account at once; whoever is signed in is signed out.
    Disable(OneArguments),
    /// Opens a closed account again, with the passphrase that it had.
    Enable(OneArguments),
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The name to sign in with; one in the whole gateway.
    id: String,
    /// The configuration of the gateway.
    #[arg(long)]
    config: PathBuf,
    /// The customer.
    #[arg(long)]
    tenant: String,
    /// ODS code of a sending organisation whose referrals are worked on; may be given several times.
    #[arg(long = "organisation", required = true)]
    organisations: Vec<String>,
    /// As colleagues read it.
    #[arg(long)]
    name: String,
    /// What may be done; may be given several times.
    #[arg(long = "role", default_value = "link-worker", value_parser = ["link-worker", "reader", "operator"])]
    roles: Vec<String>,
    /// The employer as `system|value`, where it is not the sending organisation, such as a charity: only referrals that name it as
    /// requester or owner are seen.
    #[arg(long, value_parser = Name::read)]
    works_for: Vec<Name>,
    /// The person as `system|value`: where a referral names practitioners, it has to name this one to be seen.
    #[arg(long, value_parser = Name::read)]
    practitioner: Vec<Name>,
}

#[derive(Debug, Args)]
pub(super) struct OneArguments {
    /// The name to sign in with.
    id: String,
    /// The configuration of the gateway.
    #[arg(long)]
    config: PathBuf,
}

/// Runs one of them.
pub(super) async fn run(action: AccountAction) -> Exit {
    let ended = match action {
        AccountAction::Add(arguments) => add(&arguments).await,
        AccountAction::List { config, format } => list(&config, format == "json").await,
        AccountAction::Passphrase(one) => {
            let made = passphrase::make();
            match hashed(&made) {
                Ok(hash) => {
                    let next = |account: &Account| account.with_passphrase(hash.clone());
                    let changed = change(&one, "account-passphrase", &next).await;
                    changed.map(|account| tell(&account, &made))
                }
                Err(exit) => Err(exit),
            }
        }
        AccountAction::Disable(one) => change(&one, "account-disable", &|account| account.disabled(true))
            .await
            .map(|account| say(&format!("{} is closed, and signed out.", account.id))),
        AccountAction::Enable(one) => change(&one, "account-enable", &|account| account.disabled(false))
            .await
            .map(|account| say(&format!("{} is open again, with the passphrase that it had.", account.id))),
    };
    ended.map_or_else(|exit| exit, |()| Exit::Done)
}

fn tell(account: &Account, passphrase: &str) {
    say(&format!("Name        {}\nPassphrase  {passphrase}\n\n{WHAT_TO_DO}", account.id));
}

fn hashed(passphrase: &str) -> Result<String, Exit> {
    passphrase::hash(passphrase).map_err(|words| {
        complain(&format!("{words}."));
        Exit::Environment
    })
}

/// The configuration and its store, for writing.
async fn open(file: &Path) -> Result<(Config, Arc<dyn Store>), Exit> {
    let config = load(file)?;
    let store = config::open_store(&config).await.map_err(|error| {
        complain(&format!(
            "{error}. The embedded store has one writer: stop the gateway, change the account, start the gateway again. With PostgreSQL \
             accounts are changed while gateways run."
        ));
        Exit::Environment
    })?;
    Ok((config, store))
}

async fn add(arguments: &AddArguments) -> Result<(), Exit> {
    let id = AccountId::read(&arguments.id).map_err(|words| {
        complain(&format!("{}: {words}.", arguments.id));
        Exit::Usage
    })?;
    if arguments.name.trim().is_empty() || arguments.name.chars().any(char::is_control) {
        complain("--name is what colleagues read: write it on one line.");
        return Err(Exit::Usage);
    }
    let (config, store) = open(&arguments.config).await?;
    let tenant = TenantId(arguments.tenant.clone());
    let known = clients(&config);
    for organisation in &arguments.organisations {
        let sends = |client: &Client| {
            client.tenant == tenant && client.organisation == *organisation && client.platform.is_none()
        };
        if !known.values().any(sends) {
            complain(&format!(
                "No [[client]] of the tenant {} sends for the organisation {organisation}: the account would see nothing. Add the client, or \
                 correct --tenant and --organisation.",
                tenant.0
            ));
            return Err(Exit::NotRight);
        }
    }
    let made = passphrase::make();
    let account = Account {
        id,
        revision: 1,
        tenant,
        organisations: arguments.organisations.iter().cloned().collect(),
        name: arguments.name.trim().to_owned(),
        roles: arguments.roles.iter().filter_map(|role| AccountRole::named(role)).collect(),
        reach: Reach { works_for: arguments.works_for.clone(), practitioner: arguments.practitioner.clone() },
        passphrase_hash: hashed(&made)?,
        epoch: 1,
        disabled: false,
        made_at: SystemClock.now(),
    };
    match commit(store.as_ref(), &account, "account-add").await {
        Ok(()) => {}
        Err(CommitError::Refused(_)) => {
            complain(&format!("{} is taken. Choose another name, or make a new passphrase for it.", account.id));
            return Err(Exit::NotRight);
        }
        Err(CommitError::Store(error)) => return Err(failed(&error)),
    }
    tell(&account, &made);
    Ok(())
}

/// The account of this name, changed.
async fn change(one: &OneArguments, action: &str, next: &dyn Fn(&Account) -> Account) -> Result<Account, Exit> {
    let (_, store) = open(&one.config).await?;
    let id = AccountId(one.id.trim().to_lowercase());
    let standing = store.account(&id).await.map_err(|error| failed(&error))?;
    let Some(standing) = standing else {
        complain("No account has this name. `account list` names them.");
        return Err(Exit::NotRight);
    };
    let account = next(&standing);
    match commit(store.as_ref(), &account, action).await {
        Ok(()) => Ok(account),
        Err(CommitError::Refused(_)) => {
            complain("Somebody else changed this account in this moment. Do it again.");
            Err(Exit::NotRight)
        }
        Err(CommitError::Store(error)) => Err(failed(&error)),
    }
}

async fn commit(store: &dyn Store, account: &Account, action: &str) -> Result<(), CommitError> {
    let line = AuditRecord {
        tenant: account.tenant.clone(),
        at: SystemClock.now(),
        actor: GATEWAY_AUTHOR.to_owned(),
        action: action.to_owned(),
        referral: None,
        detail: json!({ "account": account.id.0 }),
    };
    let changes = vec![Change::PutAccount(Box::new(account.clone())), Change::Audit(line)];
    store.commit(Transaction { checks: Vec::new(), changes }).await
}

fn failed(error: &StoreError) -> Exit {
    complain(&format!("The store failed: {error}."));
    Exit::Environment
}

async fn list(config: &Path, as_json: bool) -> Result<(), Exit> {
    let (_, store) = open_to_read(config).await?;
    let accounts = store.accounts().await.map_err(|error| failed(&error))?;
    if as_json {
        say(&Value::from(accounts.iter().map(value).collect::<Vec<_>>()).to_string());
        return Ok(());
    }
    say(&format!("{} accounts", accounts.len()));
    accounts.iter().for_each(|account| say(&line(account)));
    Ok(())
}

fn roles(account: &Account) -> Vec<&'static str> {
    account.roles.iter().map(|role| role.word()).collect()
}

fn line(account: &Account) -> String {
    let organisations: Vec<&str> = account.organisations.iter().map(String::as_str).collect();
    let closed = if account.disabled { ", closed" } else { "" };
    let of = |names: &[Name], what: &str| {
        names.iter().map(|one| format!(", {what} {}|{}", one.system, one.value)).collect::<String>()
    };
    format!(
        "{}  {}, {}, {}{}{}{closed}",
        account.id,
        account.tenant.0,
        organisations.join(" "),
        roles(account).join(" "),
        of(&account.reach.works_for, "works for"),
        of(&account.reach.practitioner, "is"),
    )
}

fn value(account: &Account) -> Value {
    json!({
        "id": account.id.0,
        "tenant": account.tenant.0,
        "organisations": account.organisations,
        "name": account.name,
        "roles": roles(account),
        "worksFor": account.reach.works_for,
        "practitioner": account.reach.practitioner,
        "disabled": account.disabled,
        "made": made(account.made_at),
    })
}

fn made(at: OffsetDateTime) -> String {
    to_instant(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn an_account_is_listed_without_what_opens_it() {
        let name = |value: &str| Name {
            system: "https://fhir.nhs.uk/Id/ods-organization-code".to_owned(),
            value: value.to_owned(),
        };
        let account = Account {
            id: AccountId("anna".to_owned()),
            revision: 1,
            tenant: TenantId("pcn".to_owned()),
            organisations: ["A82001".to_owned(), "A82002".to_owned()].into(),
            name: "Anna Link".to_owned(),
            roles: [AccountRole::LinkWorker, AccountRole::Reader].into(),
            reach: Reach { works_for: vec![name("8JK12")], practitioner: Vec::new() },
            passphrase_hash: "$argon2id$hash".to_owned(),
            epoch: 2,
            disabled: true,
            made_at: datetime!(2026-06-15 09:00 UTC),
        };
        let text = line(&account);
        assert_eq!(
            text,
            "anna  pcn, A82001 A82002, link-worker reader, works for https://fhir.nhs.uk/Id/ods-organization-code|8JK12, closed"
        );
        let json = value(&account).to_string();
        assert!(json.contains("2026-06-15T09:00:00.000Z") && !json.contains("argon2id") && !text.contains("argon2id"));
    }
}
