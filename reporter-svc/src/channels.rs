//! The ways to people: how they stand, and a test message through each, for whoever wants to know before it matters.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::effects::{PageNotice, PostMessage};
use domain::notifiers::{Address, Message};
use domain::pagers::PAGER;
use domain::policy::Policy;
use futures_util::future::join_all;
use shared_types::TargetName;
use uuid::Uuid;

use crate::notifiers::Notifiers;
use crate::pagers::Pager;
use crate::ways::{Channel, Look, Test, Ways};

/// See the module.
#[derive(Clone)]
pub struct Channels {
    pub notifiers: Notifiers,
    pub pager: Arc<dyn Pager>,
}

#[async_trait]
impl Ways for Channels {
    async fn look(&self, policy: &Policy) -> Vec<Channel> {
        let addresses = addresses(policy);
        let looks = addresses.iter().map(|(address, _)| self.notifiers.look(address));
        let (looks, pager) = tokio::join!(join_all(looks), self.pager.look());
        shown(policy, addresses, looks, pager)
    }

    async fn test(&self, policy: &Policy, test: Test<'_>) -> Vec<Channel> {
        let addresses = addresses(policy);
        let posts = addresses.iter().map(|(address, targets)| self.post(address, targets, test));
        let (looks, pager) = tokio::join!(join_all(posts), self.page(policy, test));
        shown(policy, addresses, looks, pager)
    }
}

impl Channels {
    async fn post(&self, address: &Address, targets: &[TargetName], test: Test<'_>) -> Look {
        let Some(target) = targets.first() else { return Look::ok("nobody's") };
        let message = PostMessage {
            notification: Uuid::now_v7(),
            target: target.clone(),
            notifier: address.notifier().to_owned(),
            channel: address.channel().to_owned(),
            text: address.render(&Message::value(words(test))),
            buttons: Vec::new(),
            incident: None,
            after_dashboard: None,
            of_loss: true,
        };
        Look::of(&self.notifiers.post(&message, None, false).await)
    }

    async fn page(&self, policy: &Policy, test: Test<'_>) -> Look {
        let Some((target, first)) = policy.targets.first_key_value() else { return Look::ok("nobody's") };
        let notification = Uuid::now_v7();
        let notice = PageNotice {
            notification,
            target: target.clone(),
            incident: None,
            dedup_key: format!("phasegate-test/{notification}"),
            summary: words(test),
            source: "phasegate".to_owned(),
            service: first.paging.service.clone(),
            text: words(test),
            at: test.at,
        };
        Look::of(&self.pager.try_out(&notice).await)
    }
}

/// What nobody may take for anything else.
fn words(Test { by, at }: Test<'_>) -> String {
    format!(
        "TEST of Phasegate's channels, asked for by {by} at {at}: nothing is wrong and nothing is to be done"
    )
}

/// Each once, with whose it is, in the order of their names.
fn addresses(policy: &Policy) -> Vec<(Address, Vec<TargetName>)> {
    let mut found: BTreeMap<(&str, &str), (Address, Vec<TargetName>)> = BTreeMap::new();
    for (name, target) in &policy.targets {
        for address in target.notifications.addresses() {
            let entry = found.entry((address.notifier(), address.channel()));
            let (_, targets) = entry.or_insert_with(|| (address.clone(), Vec::new()));
            if targets.last() != Some(name) {
                targets.push(name.clone());
            }
        }
    }
    found.into_values().collect()
}

fn shown(
    policy: &Policy,
    addresses: Vec<(Address, Vec<TargetName>)>,
    looks: Vec<Look>,
    pager: Look,
) -> Vec<Channel> {
    let channel = |channel: String, by: &str, targets, Look { state, detail, receiver }| Channel {
        channel,
        by: by.to_owned(),
        targets,
        state,
        detail,
        receiver,
    };
    let mut all: Vec<Channel> = addresses
        .into_iter()
        .zip(looks)
        .map(|((address, targets), look)| {
            channel(address.channel().to_owned(), address.notifier(), targets, look)
        })
        .collect();
    let everybody = policy.targets.keys().cloned().collect();
    all.push(channel(PAGER.name.to_owned(), PAGER.name, everybody, pager));
    all
}
