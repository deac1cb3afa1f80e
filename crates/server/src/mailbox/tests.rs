//! What comes out of a mailbox, and who is woken.

use super::*;

#[test]
fn a_batch_comes_whole_and_in_order() {
    let (sender, receiver) = mailbox(8);
    for n in 0..5 {
        sender.send(n);
    }
    let mut got = Vec::new();
    receiver.receive(&mut got, None);
    assert_eq!(got, [0, 1, 2, 3, 4]);
}

#[test]
fn a_full_box_refuses_and_a_closed_one_too() {
    let (sender, receiver) = mailbox(1);
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(sender.try_send(2), Err(2));
    assert_eq!(sender.try_send_urgent(2), Ok(()));
    assert_eq!(sender.try_send_urgent(3), Err(3));
    sender.send_above_limit(3);
    let mut got = Vec::new();
    receiver.receive(&mut got, None);
    assert_eq!(got, [1, 2, 3]);
    drop(receiver);
    assert_eq!(sender.try_send(4), Err(4));
    sender.send(5);
}

#[test]
fn letters_together_wait_once() {
    let (sender, receiver) = mailbox(1);
    sender.send_all_quietly([1, 2, 3].into_iter());
    sender.send_all_quietly(std::iter::empty());
    let mut got = Vec::new();
    receiver.receive(&mut got, None);
    assert_eq!(got, [1, 2, 3]);
}

#[test]
fn patient_letters_come_with_the_next_one() {
    let (sender, receiver) = mailbox(8);
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        receiver.receive_patiently(&mut got, None);
        got
    });
    while !sender.0.state.lock().receiver_sleeps {
        std::thread::yield_now();
    }
    sender.send_patiently_above_limit(1);
    sender.send_all_quietly([2, 3].into_iter());
    sender.wake_patient();
    assert!(sender.0.state.lock().receiver_sleeps, "nobody was woken");
    sender.send(4);
    assert_eq!(reader.join().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn many_patient_letters_wake() {
    let (sender, receiver) = mailbox(1000);
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        receiver.wait_patiently(Instant::now() + Duration::from_secs(60));
        receiver.take(&mut got);
        got.len()
    });
    while !sender.0.state.lock().receiver_sleeps {
        std::thread::yield_now();
    }
    (0..=PATIENT_LETTERS).for_each(|n| sender.send_patiently_above_limit(n));
    assert!(reader.join().unwrap() >= PATIENT_LETTERS);
}

#[test]
fn quiet_letters_wake_nobody() {
    let (sender, receiver) = mailbox(3);
    sender.send_quietly_above_limit(1);
    let mut letters = vec![2, 3, 4];
    sender.try_send_quietly(&mut letters);
    assert_eq!(letters, [4]);
    let mut got = Vec::new();
    assert!(!receiver.is_empty());
    assert!(receiver.take(&mut got));
    assert_eq!(got, [1, 2, 3]);
    assert!(!receiver.take(&mut got));
    receiver.close();
    sender.try_send_quietly(&mut letters);
    assert_eq!(letters, [4]);
    receiver.wait_patiently(Instant::now() + Duration::from_secs(60));
}

#[test]
fn who_has_worked_and_sleeps_is_asked_to_rest() {
    let (sender, receiver) = mailbox(LETTERS_TO_REST);
    let asked = |sender: &Sender<usize>| {
        sender.let_rest();
        std::mem::take(&mut sender.0.state.lock().rest_asked)
    };
    let mut got = Vec::new();
    for letters in [LETTERS_TO_REST - 1, 1] {
        assert!(!asked(&sender), "too little was done");
        (0..letters).for_each(|n| sender.send(n));
        receiver.receive(&mut got, None);
        sender.0.state.lock().receiver_sleeps = true;
        assert!(!asked(&sender), "something came");
    }
    sender.0.state.lock().receiver_sleeps = false;
    assert!(!asked(&sender), "it is awake");
    sender.0.state.lock().receiver_sleeps = true;
    assert!(asked(&sender));
    assert!(!asked(&sender), "it has rested");
}

#[test]
fn a_rest_is_over_when_letters_come() {
    let (sender, receiver) = mailbox(1);
    sender.0.state.lock().rest_asked = true;
    sender.send(7);
    let mut got = Vec::new();
    receiver.receive_or_rest(&mut got);
    assert_eq!(got, [7]);
}

#[test]
fn a_waiting_sender_goes_on_when_there_is_room() {
    let (sender, receiver) = mailbox(1);
    sender.send(1);
    let other = std::thread::spawn(move || sender.send(2));
    let mut got = Vec::new();
    while got.len() < 2 {
        receiver.receive(&mut got, None);
    }
    other.join().unwrap();
    assert_eq!(got, [1, 2]);
}
