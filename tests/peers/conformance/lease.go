package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func checkLease(ctx context.Context, c *clientv3.Client) error {
	grant, err := c.Grant(ctx, 60)
	if err != nil {
		return err
	}
	if _, err = c.Put(ctx, "l", "v", clientv3.WithLease(grant.ID)); err != nil {
		return err
	}
	alive, err := c.TimeToLive(ctx, grant.ID, clientv3.WithAttachedKeys())
	if err != nil {
		return err
	}
	listed, err := c.Leases(ctx)
	if err != nil {
		return err
	}
	found := false
	for _, lease := range listed.Leases {
		found = found || lease.ID == grant.ID
	}
	once, err := c.KeepAliveOnce(ctx, grant.ID)
	if err != nil {
		return err
	}
	if _, err = c.Revoke(ctx, grant.ID); err != nil {
		return err
	}
	gone, err := c.Get(ctx, "l")
	if err != nil {
		return err
	}
	if _, err = c.KeepAliveOnce(ctx, grant.ID); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return fmt.Errorf("keeping a revoked lease alive: %v", err)
	}
	return first(
		expect("granted", alive.GrantedTTL, 60),
		expect("attached", string(alive.Keys[0]), "l"),
		expect("listed", found, true),
		expect("renewed to", once.TTL, 60),
		expect("left", gone.Count, 0),
	)
}

// checkLeaseExpiry keeps one short lease alive beyond its time and lets another go.
func checkLeaseExpiry(ctx context.Context, c *clientv3.Client) error {
	kept, err := c.Grant(ctx, 2)
	if err != nil {
		return err
	}
	dropped, err := c.Grant(ctx, 2)
	if err != nil {
		return err
	}
	for key, id := range map[string]clientv3.LeaseID{"kept": kept.ID, "dropped": dropped.ID} {
		if _, err := c.Put(ctx, key, "v", clientv3.WithLease(id)); err != nil {
			return err
		}
	}
	events := c.Watch(ctx, "dropped")
	alive, stop := context.WithCancel(ctx)
	renewals, err := c.KeepAlive(alive, kept.ID)
	if err != nil {
		stop()
		return err
	}
	answer := <-events
	first1 := expect("expired", answer.Events[0].Type, clientv3.EventTypeDelete)
	// Well past the kept one's own time.
	time.Sleep(3 * time.Second)
	got, err := c.Get(ctx, "kept")
	stop()
	if err != nil {
		return err
	}
	renewed := 0
	for range renewals {
		renewed++
	}
	for {
		left, err := c.Get(ctx, "kept")
		if err != nil {
			return err
		}
		if left.Count == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return first(first1, expect("kept", got.Count, 1), expect("renewals", renewed > 1, true))
}
