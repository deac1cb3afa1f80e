package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/ordering"
)

func checkKV(ctx context.Context, c *clientv3.Client) error {
	put, err := c.Put(ctx, "a", "1")
	if err != nil {
		return err
	}
	again, err := c.Put(ctx, "a", "2", clientv3.WithPrevKV())
	if err != nil {
		return err
	}
	old, err := c.Get(ctx, "a", clientv3.WithRev(put.Header.Revision))
	if err != nil {
		return err
	}
	deleted, err := c.Delete(ctx, "a", clientv3.WithPrevKV())
	if err != nil {
		return err
	}
	gone, err := c.Get(ctx, "a", clientv3.WithSerializable())
	if err != nil {
		return err
	}
	return first(
		expect("revision", again.Header.Revision, put.Header.Revision+1),
		expect("previous value", string(again.PrevKv.Value), "1"),
		expect("old value", string(old.Kvs[0].Value), "1"),
		expect("deleted", deleted.Deleted, 1),
		expect("deleted value", string(deleted.PrevKvs[0].Value), "2"),
		expect("left", gone.Count, 0),
	)
}

// checkPages lists as a user with many keys does: page by page at one revision.
func checkPages(ctx context.Context, c *clientv3.Client) error {
	const keys, page = 1000, 70
	for i := range keys {
		if _, err := c.Put(ctx, fmt.Sprintf("p/%04d", i), fmt.Sprint(i)); err != nil {
			return err
		}
	}
	from, end, revision, seen := "p/", clientv3.GetPrefixRangeEnd("p/"), int64(0), 0
	for {
		got, err := c.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(page),
			clientv3.WithRev(revision))
		if err != nil {
			return err
		}
		if err := expect("count", got.Count, int64(keys-seen)); err != nil {
			return err
		}
		if revision == 0 {
			revision = got.Header.Revision
		}
		for _, kv := range got.Kvs {
			if err := expect("key", string(kv.Key), fmt.Sprintf("p/%04d", seen)); err != nil {
				return err
			}
			seen++
		}
		// A write between pages must not show.
		if _, err := c.Put(ctx, "p/zzz", "later"); err != nil {
			return err
		}
		if !got.More {
			return expect("listed", seen, keys)
		}
		from = string(got.Kvs[len(got.Kvs)-1].Key) + "\x00"
	}
}

func checkTxn(ctx context.Context, c *clientv3.Client) error {
	create := func(value string) (*clientv3.TxnResponse, error) {
		return c.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision("t"), "=", 0)).
			Then(clientv3.OpPut("t", value), clientv3.OpPut("t2", value)).
			Else(clientv3.OpGet("t"), clientv3.OpTxn(
				[]clientv3.Cmp{clientv3.Compare(clientv3.Value("t"), "=", "1")},
				[]clientv3.Op{clientv3.OpPut("nested", "yes")},
				[]clientv3.Op{clientv3.OpPut("nested", "no")})).
			Commit()
	}
	won, err := create("1")
	if err != nil {
		return err
	}
	lost, err := create("2")
	if err != nil {
		return err
	}
	nested, err := c.Get(ctx, "nested")
	if err != nil {
		return err
	}
	pair, err := c.Get(ctx, "t", clientv3.WithPrefix())
	if err != nil {
		return err
	}
	return first(
		expect("first create", won.Succeeded, true),
		expect("second create", lost.Succeeded, false),
		expect("seen by the loser", string(lost.Responses[0].GetResponseRange().Kvs[0].Value), "1"),
		expect("nested", string(nested.Kvs[0].Value), "yes"),
		expect("one revision", pair.Kvs[0].ModRevision, pair.Kvs[1].ModRevision),
	)
}

// checkKubernetes drives the interface the Kubernetes API server is written against.
func checkKubernetes(ctx context.Context, c *clientv3.Client) error {
	k := &kubernetes.Client{Client: c}
	k.Kubernetes = k
	made, err := k.OptimisticPut(ctx, "/registry/pods/a", []byte("1"), 0, kubernetes.PutOptions{})
	if err != nil {
		return err
	}
	refused, err := k.OptimisticPut(ctx, "/registry/pods/a", []byte("2"), 0,
		kubernetes.PutOptions{GetOnFailure: true})
	if err != nil {
		return err
	}
	updated, err := k.OptimisticPut(ctx, "/registry/pods/a", []byte("2"), made.Revision,
		kubernetes.PutOptions{GetOnFailure: true})
	if err != nil {
		return err
	}
	listed, err := k.List(ctx, "/registry/pods/", kubernetes.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	count, err := k.Count(ctx, "/registry/pods/", kubernetes.CountOptions{})
	if err != nil {
		return err
	}
	removed, err := k.OptimisticDelete(ctx, "/registry/pods/a", updated.Revision,
		kubernetes.DeleteOptions{GetOnFailure: true})
	if err != nil {
		return err
	}
	return first(
		expect("create", made.Succeeded, true),
		expect("second create", refused.Succeeded, false),
		expect("its view", string(refused.KV.Value), "1"),
		expect("update", updated.Succeeded, true),
		expect("listed", string(listed.Kvs[0].Value), "2"),
		expect("count", count, 1),
		expect("delete", removed.Succeeded, true),
	)
}

// checkSTM moves money between accounts from many sides; none is made and none is lost.
func checkSTM(ctx context.Context, c *clientv3.Client) error {
	const accounts, movers, moves = 5, 6, 15
	name := func(i int) string { return fmt.Sprintf("acc/%d", i) }
	for i := range accounts {
		if _, err := c.Put(ctx, name(i), string(bytes.Repeat([]byte{'x'}, 10))); err != nil {
			return err
		}
	}
	done := make(chan error, movers)
	for m := range movers {
		go func() {
			for i := range moves {
				from, to := name((m+i)%accounts), name((m*2+i*3+1)%accounts)
				_, err := concurrency.NewSTM(c, func(stm concurrency.STM) error {
					have := stm.Get(from)
					if from == to || have == "" {
						return nil
					}
					stm.Put(from, have[1:])
					stm.Put(to, stm.Get(to)+"x")
					return nil
				})
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range movers {
		if err := <-done; err != nil {
			return err
		}
	}
	got, err := c.Get(ctx, "acc/", clientv3.WithPrefix())
	if err != nil {
		return err
	}
	sum := 0
	for _, kv := range got.Kvs {
		sum += len(kv.Value)
	}
	return expect("money", sum, accounts*10)
}

func checkNamespace(ctx context.Context, c *clientv3.Client) error {
	kv := namespace.NewKV(c.KV, "ns/")
	watches := namespace.NewWatcher(c.Watcher, "ns/").Watch(ctx, "k")
	if _, err := kv.Put(ctx, "k", "v"); err != nil {
		return err
	}
	outside, err := c.Get(ctx, "ns/k")
	if err != nil {
		return err
	}
	event := <-watches
	return first(
		expect("outside", string(outside.Kvs[0].Value), "v"),
		expect("watched key", string(event.Events[0].Kv.Key), "k"),
	)
}

func checkOrdering(ctx context.Context, c *clientv3.Client) error {
	violated := errors.New("a later answer had an earlier revision")
	kv := ordering.NewKV(c.KV, func(clientv3.Op, clientv3.OpResponse, int64) error {
		return violated
	})
	for i := range 50 {
		if _, err := c.Put(ctx, "o", fmt.Sprint(i)); err != nil {
			return err
		}
		got, err := kv.Get(ctx, "o")
		if err != nil {
			return err
		}
		if err := expect("own write", string(got.Kvs[0].Value), fmt.Sprint(i)); err != nil {
			return err
		}
	}
	return nil
}

// checkErrors holds the errors clients compare with by identity.
func checkErrors(ctx context.Context, c *clientv3.Client) error {
	cases := []struct {
		right error
		run   func() error
	}{
		{rpctypes.ErrEmptyKey, func() error { _, err := c.Put(ctx, "", "x"); return err }},
		{rpctypes.ErrFutureRev, func() error {
			_, err := c.Get(ctx, "a", clientv3.WithRev(1<<40))
			return err
		}},
		{rpctypes.ErrLeaseNotFound, func() error {
			_, err := c.Put(ctx, "a", "x", clientv3.WithLease(987654321))
			return err
		}},
		{rpctypes.ErrLeaseTTLTooLarge, func() error { _, err := c.Grant(ctx, 9000000001); return err }},
		{rpctypes.ErrRequestTooLarge, func() error {
			_, err := c.Put(ctx, "big", string(bytes.Repeat([]byte{'x'}, 1_600_000)))
			return err
		}},
		{rpctypes.ErrDuplicateKey, func() error {
			_, err := c.Txn(ctx).Then(clientv3.OpPut("a", "1"), clientv3.OpPut("a", "2")).Commit()
			return err
		}},
		{rpctypes.ErrMemberNotFound, func() error { _, err := c.MemberRemove(ctx, 1); return err }},
		{rpctypes.ErrBadLeaderTransferee, func() error { _, err := c.MoveLeader(ctx, 1); return err }},
	}
	for _, one := range cases {
		if err := one.run(); !errors.Is(err, one.right) {
			return fmt.Errorf("%v, not %v", err, one.right)
		}
	}
	return nil
}
