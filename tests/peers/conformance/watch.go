package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// checkWatch watches from the past while writes go on: each event once, in order.
func checkWatch(ctx context.Context, c *clientv3.Client) error {
	const before, during = 20, 200
	start, err := c.Put(ctx, "w/0", "start")
	if err != nil {
		return err
	}
	write := func(from, to int) error {
		for i := from; i < to; i++ {
			if _, err := c.Put(ctx, fmt.Sprintf("w/%d", i%7), fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := write(0, before); err != nil {
		return err
	}
	events := c.Watch(ctx, "w/", clientv3.WithPrefix(), clientv3.WithPrevKV(),
		clientv3.WithRev(start.Header.Revision+1))
	failed := make(chan error, 1)
	go func() { failed <- write(before, before+during) }()
	next := 0
	for answer := range events {
		if err := answer.Err(); err != nil {
			return err
		}
		for _, event := range answer.Events {
			err := first(
				expect("value", string(event.Kv.Value), fmt.Sprint(next)),
				expect("revision", event.Kv.ModRevision, start.Header.Revision+1+int64(next)),
				expect("has previous", event.PrevKv != nil, next == 0 || next >= 7),
			)
			if err != nil {
				return err
			}
			next++
		}
		if next == before+during {
			return <-failed
		}
	}
	return fmt.Errorf("the watch ended after %d events", next)
}

func checkWatchCompacted(ctx context.Context, c *clientv3.Client) error {
	put, err := c.Put(ctx, "c", "1")
	if err != nil {
		return err
	}
	if _, err = c.Put(ctx, "c", "2"); err != nil {
		return err
	}
	compacted := put.Header.Revision + 1
	if _, err = c.Compact(ctx, compacted, clientv3.WithCompactPhysical()); err != nil {
		return err
	}
	answer := <-c.Watch(ctx, "c", clientv3.WithRev(put.Header.Revision))
	if err := answer.Err(); !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("watch of the compacted: %v", err)
	}
	_, err = c.Get(ctx, "c", clientv3.WithRev(put.Header.Revision))
	if !errors.Is(err, rpctypes.ErrCompacted) {
		return fmt.Errorf("get of the compacted: %v", err)
	}
	return expect("compact revision", answer.CompactRevision, compacted)
}

func checkWatchProgress(ctx context.Context, c *clientv3.Client) error {
	events := c.Watch(ctx, "idle", clientv3.WithCreatedNotify())
	if created := <-events; !created.Created {
		return fmt.Errorf("first answer: %+v", created)
	}
	put, err := c.Put(ctx, "elsewhere", "1")
	if err != nil {
		return err
	}
	for {
		if err := c.RequestProgress(ctx); err != nil {
			return err
		}
		select {
		case answer := <-events:
			if answer.IsProgressNotify() && answer.Header.Revision >= put.Header.Revision {
				return nil
			}
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkResume kills the server under a watch and a stream of writes, three times: the client
// resumes by itself, and no acknowledged write is missing, none comes twice.
func checkResume(ctx context.Context, c *clientv3.Client) error {
	events := c.Watch(ctx, "r/", clientv3.WithPrefix())
	acked := make(map[string]int64)
	var stop atomic.Bool
	written := make(chan error, 1)
	go func() {
		for i := 0; !stop.Load(); i++ {
			short, cancel := context.WithTimeout(ctx, 2*time.Second)
			key := fmt.Sprintf("r/%d", i)
			put, err := c.Put(short, key, "v")
			cancel()
			if err == nil {
				acked[key] = put.Header.Revision
			}
		}
		written <- nil
	}()
	for range 3 {
		time.Sleep(200 * time.Millisecond)
		if err := restartServer(); err != nil {
			return err
		}
	}
	time.Sleep(200 * time.Millisecond)
	stop.Store(true)
	<-written
	last, err := c.Put(ctx, "r/last", "v")
	if err != nil {
		return err
	}
	acked["r/last"] = last.Header.Revision
	seen, revision := make(map[string]int64), int64(0)
	for answer := range events {
		if err := answer.Err(); err != nil {
			return err
		}
		for _, event := range answer.Events {
			if event.Kv.ModRevision <= revision {
				return fmt.Errorf("event %d after %d", event.Kv.ModRevision, revision)
			}
			revision = event.Kv.ModRevision
			seen[string(event.Kv.Key)] = revision
		}
		if revision >= last.Header.Revision {
			break
		}
	}
	for key, at := range acked {
		if err := expect("event of "+key, seen[key], at); err != nil {
			return err
		}
	}
	if len(acked) < 20 {
		return fmt.Errorf("only %d writes: the check saw nothing", len(acked))
	}
	return nil
}
