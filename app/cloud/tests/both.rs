//! The same rows and questions on SQLite and, where it is installed, on a real
//! PostgreSQL server that the test starts itself.

use gridloom_cloud::{Answer, Batch, STANDARD, ServerError, Store, Table, TemporaryServer, parse};

/// A small run with a trade, a price, an outage and two members.
fn run(run_id: i64) -> Batch {
    let mut batch = Batch::default();
    batch.push(
        Table::Run,
        [
            run_id.into(),
            "small".into(),
            7_i64.into(),
            900_000_i64.into(),
            300_000_i64.into(),
        ],
    );
    for (id, name, kind) in [
        (0_u32, "H1", "home"),
        (1, "H2", "home"),
        (2, "utility", "utility"),
    ] {
        batch.push(
            Table::Participant,
            [
                run_id.into(),
                id.into(),
                name.into(),
                kind.into(),
                "A".into(),
                "M1".into(),
            ],
        );
    }
    for (name, value) in [
        ("utility buys at micro_eur_per_kwh", "80000"),
        ("utility sells at micro_eur_per_kwh", "300000"),
        ("co2 g_per_kwh solar", "41"),
        ("co2 g_per_kwh grid mix", "251"),
    ] {
        batch.push(Table::Policy, [run_id.into(), name.into(), value.into()]);
    }
    for interval in 1..=300_i64 {
        for id in 0..2_u32 {
            batch.push(
                Table::Reading,
                [
                    run_id.into(),
                    id.into(),
                    (interval * 300_000).into(),
                    (interval * 10).into(),
                    0_i64.into(),
                    0_i64.into(),
                    interval.into(),
                ],
            );
        }
        batch.push(
            Table::AreaLoad,
            [
                run_id.into(),
                "M1".into(),
                (interval * 300_000).into(),
                (interval * 21).into(),
                interval.into(),
            ],
        );
    }
    for (line, buyer, seller, kind, reason, wh) in [
        (0_u32, 0_u32, 1_u32, "solar", "local trade", 700_i64),
        (1, 1, 2, "grid mix", "import from the grid", 300),
        (2, 2, 0, "solar", "export to the grid", 50),
        // Of the imported 300 Wh 100 came from another cluster: 15 ct come back.
        (70_000, 1, 2, "solar", "trade between clusters", 100),
    ] {
        let price = if reason == "trade between clusters" {
            -150_000_i64
        } else {
            150_000
        };
        batch.push(
            Table::Trade,
            [
                run_id.into(),
                "A".into(),
                3_u32.into(),
                line.into(),
                2_700_000_i64.into(),
                buyer.into(),
                seller.into(),
                kind.into(),
                reason.into(),
                wh.into(),
                price.into(),
                (wh * price).into(),
                9_i64.into(),
            ],
        );
    }
    batch.push(
        Table::Price,
        [
            run_id.into(),
            "A".into(),
            3_u32.into(),
            "solar".into(),
            2_700_000_i64.into(),
            150_000_i64.into(),
            8_i64.into(),
        ],
    );
    // 40, then 60, then 50 Wh came; 45 and 52 were expected of the last two.
    for (slot, expected, last) in [(1_u32, 45_i64, 40_i64), (2, 52, 60), (3, 0, 50)] {
        batch.push(
            Table::Forecast,
            [
                run_id.into(),
                "A".into(),
                slot.into(),
                "demand".into(),
                (i64::from(slot) * 900_000).into(),
                expected.into(),
                last.into(),
                "trend".into(),
                8_i64.into(),
            ],
        );
    }
    batch.push(
        Table::Outage,
        [run_id.into(), 1_u32.into(), 0_i64.into(), 12_i64.into()],
    );
    batch.push(
        Table::Event,
        [
            run_id.into(),
            0_i64.into(),
            5_i64.into(),
            "grid".into(),
            "M1 opened; 'quoted'".into(),
        ],
    );
    batch
}

fn answers(store: &mut Store) -> Vec<Answer> {
    let questions = parse(STANDARD);
    let ask = |q: &gridloom_cloud::Question| {
        store
            .ask(&q.sql)
            .unwrap_or_else(|e| panic!("{}: {e}", q.words))
    };
    questions.iter().map(ask).collect()
}

fn column(answer: &Answer, name: &str) -> Vec<String> {
    let index = answer
        .columns
        .iter()
        .position(|c| c == name)
        .expect("the column is there");
    answer.rows.iter().map(|row| row[index].clone()).collect()
}

#[test]
fn the_questions_have_the_answers_one_finds_by_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("run.sqlite");
    let mut store = Store::open(&file.display().to_string()).expect("a new file");
    assert_eq!(store.next_run().expect("readable"), 1);
    store.write(&run(1)).expect("written");
    store
        .write(&run(1))
        .expect("a batch written twice changes nothing");
    assert_eq!(store.next_run().expect("readable"), 2);
    let answers = answers(&mut store);
    // 700 of 1,000 Wh received came from members; 700 of 750 Wh given stayed inside.
    assert_eq!(column(&answers[1], "self_sufficiency"), ["700"]);
    assert_eq!(column(&answers[1], "self_consumption"), ["933"]);
    // Buyer: 700 Wh x (0.30 - 0.15) EUR/kWh; seller: 700 Wh x (0.15 - 0.08), and
    // 100 Wh x 0.15 from its trade with the other cluster.
    assert_eq!(
        column(&answers[2], "saved_nano_eur"),
        ["105000000", "64000000"]
    );
    assert_eq!(column(&answers[3], "co2_g"), ["75", "28"]);
    // 6,300 Wh went in, two meters counted 3,000 each.
    assert_eq!(column(&answers[4], "losses_wh"), ["300"]);
    assert_eq!(column(&answers[5], "minutes"), ["12", "0"]);
    assert_eq!(column(&answers[6], "jain_permille"), ["1000"]);
    // |45 - 60| + |52 - 50| against |40 - 60| + |60 - 50|.
    assert_eq!(column(&answers[8], "error_wh"), ["17"]);
    assert_eq!(column(&answers[8], "naive_error_wh"), ["30"]);
    assert!(store.is_sound().expect("readable"));
}

#[test]
fn both_databases_answer_alike() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = match TemporaryServer::start(folder.path()) {
        Ok(server) => server,
        Err(ServerError::Missing) => {
            eprintln!("skipped: PostgreSQL is not installed");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let files = tempfile::tempdir().expect("a folder");
    let file = files.path().join("run.sqlite");
    let mut answered = Vec::new();
    for url in [file.display().to_string(), server.url()] {
        let mut store = Store::open(&url).expect("opened");
        store.write(&run(1)).expect("written");
        store.write(&run(2)).expect("written");
        answered.push(answers(&mut store));
        let error = store
            .ask("SELECT nothing FROM nowhere")
            .expect_err("no such table");
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
    assert_eq!(answered[0], answered[1]);
}
