package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

// checkMutex has many sessions take one lock in turn: never two inside.
func checkMutex(ctx context.Context, c *clientv3.Client) error {
	const sessions, turns = 5, 6
	var inside, total atomic.Int64
	done := make(chan error, sessions)
	for range sessions {
		go func() {
			session, err := concurrency.NewSession(c, concurrency.WithTTL(10))
			if err != nil {
				done <- err
				return
			}
			defer session.Close()
			mutex := concurrency.NewMutex(session, "lock/")
			for range turns {
				if err := mutex.Lock(ctx); err != nil {
					done <- err
					return
				}
				if inside.Add(1) != 1 {
					done <- errors.New("two inside one lock")
					return
				}
				total.Add(1)
				time.Sleep(2 * time.Millisecond)
				inside.Add(-1)
				if err := mutex.Unlock(ctx); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range sessions {
		if err := <-done; err != nil {
			return err
		}
	}
	session, err := concurrency.NewSession(c)
	if err != nil {
		return err
	}
	defer session.Close()
	holder := concurrency.NewMutex(session, "lock/")
	if err := holder.TryLock(ctx); err != nil {
		return err
	}
	other, err := concurrency.NewSession(c)
	if err != nil {
		return err
	}
	defer other.Close()
	err = concurrency.NewMutex(other, "lock/").TryLock(ctx)
	if !errors.Is(err, concurrency.ErrLocked) {
		return fmt.Errorf("taking a held lock: %v", err)
	}
	return expect("turns", total.Load(), sessions*turns)
}

// checkElection has a leader resign and the next one follow, under an observer's eyes.
func checkElection(ctx context.Context, c *clientv3.Client) error {
	candidate := func(name string) (*concurrency.Election, *concurrency.Session, error) {
		session, err := concurrency.NewSession(c, concurrency.WithTTL(10))
		if err != nil {
			return nil, nil, err
		}
		return concurrency.NewElection(session, "elect/"), session, nil
	}
	one, oneSession, err := candidate("one")
	if err != nil {
		return err
	}
	defer oneSession.Close()
	two, twoSession, err := candidate("two")
	if err != nil {
		return err
	}
	defer twoSession.Close()
	if err := one.Campaign(ctx, "one"); err != nil {
		return err
	}
	observed := one.Observe(ctx)
	seen := []string{string((<-observed).Kvs[0].Value)}
	won := make(chan error, 1)
	go func() { won <- two.Campaign(ctx, "two") }()
	if err := one.Proclaim(ctx, "one again"); err != nil {
		return err
	}
	seen = append(seen, string((<-observed).Kvs[0].Value))
	if err := one.Resign(ctx); err != nil {
		return err
	}
	if err := <-won; err != nil {
		return err
	}
	seen = append(seen, string((<-observed).Kvs[0].Value))
	leader, err := two.Leader(ctx)
	if err != nil {
		return err
	}
	if err := two.Resign(ctx); err != nil {
		return err
	}
	if _, err := one.Leader(ctx); !errors.Is(err, concurrency.ErrElectionNoLeader) {
		return fmt.Errorf("leader after all resigned: %v", err)
	}
	return first(
		expect("observed", fmt.Sprint(seen), "[one one again two]"),
		expect("leader", string(leader.Kvs[0].Value), "two"),
	)
}
