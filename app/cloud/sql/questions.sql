-- Ten questions about the newest run, in SQL that SQLite and PostgreSQL answer
-- alike: whole numbers only, every order complete.

-- Who took and gave how much energy (Wh)?
SELECT p.name, MAX(r.import_wh) AS taken_wh,
       MAX(r.export_solar_wh) AS solar_given_wh, MAX(r.export_battery_wh) AS battery_given_wh
FROM reading r JOIN participant p ON p.run_id = r.run_id AND p.participant_id = r.participant_id
WHERE r.run_id = (SELECT MAX(run_id) FROM run)
GROUP BY p.name
ORDER BY taken_wh DESC, p.name;

-- How self-sufficient is each cluster (share of what its members received that came from members), and how
-- much of what its members gave did members use (self-consumption), both permille?
SELECT cluster,
       CAST(SUM(CASE WHEN reason = 'local trade' THEN energy_wh ELSE 0 END) AS BIGINT) AS local_wh,
       CAST(SUM(CASE WHEN reason IN ('local trade', 'import from the grid') THEN energy_wh ELSE 0 END) AS BIGINT) AS received_wh,
       CAST(SUM(CASE WHEN reason = 'local trade' THEN energy_wh ELSE 0 END) AS BIGINT) * 1000
         / NULLIF(CAST(SUM(CASE WHEN reason IN ('local trade', 'import from the grid') THEN energy_wh ELSE 0 END) AS BIGINT), 0)
         AS self_sufficiency,
       CAST(SUM(CASE WHEN reason IN ('local trade', 'export to the grid') THEN energy_wh ELSE 0 END) AS BIGINT)
         AS given_wh,
       CAST(SUM(CASE WHEN reason = 'local trade' THEN energy_wh ELSE 0 END) AS BIGINT) * 1000
         / NULLIF(CAST(SUM(CASE WHEN reason IN ('local trade', 'export to the grid') THEN energy_wh ELSE 0 END)
                       AS BIGINT), 0) AS self_consumption
FROM trade
WHERE run_id = (SELECT MAX(run_id) FROM run)
GROUP BY cluster
ORDER BY cluster;

-- What did each member save against buying and selling at the utility's tariff (nano-EUR)?
SELECT p.name,
       CAST(SUM(CASE
           WHEN t.reason = 'trade between clusters' AND t.buyer_id = p.participant_id THEN - t.nano_eur
           WHEN t.reason = 'trade between clusters' THEN t.nano_eur
           WHEN t.buyer_id = p.participant_id THEN t.energy_wh * CAST(b.value AS BIGINT) - t.nano_eur
           ELSE t.nano_eur - t.energy_wh * CAST(s.value AS BIGINT) END) AS BIGINT) AS saved_nano_eur
FROM trade t
JOIN participant p ON p.run_id = t.run_id
  AND (p.participant_id = t.buyer_id OR p.participant_id = t.seller_id)
JOIN policy b ON b.run_id = t.run_id AND b.name = 'utility sells at micro_eur_per_kwh'
JOIN policy s ON s.run_id = t.run_id AND s.name = 'utility buys at micro_eur_per_kwh'
WHERE t.run_id = (SELECT MAX(run_id) FROM run) AND t.reason IN ('local trade', 'trade between clusters')
  AND p.kind <> 'utility'
GROUP BY p.name
ORDER BY saved_nano_eur DESC, p.name;

-- How much carbon dioxide stands behind the energy received, by type (g)?
SELECT t.kind, CAST(SUM(t.energy_wh) AS BIGINT) AS energy_wh,
       CAST(SUM(t.energy_wh) AS BIGINT) * CAST(MAX(f.value) AS BIGINT) / 1000 AS co2_g
FROM trade t
JOIN policy f ON f.run_id = t.run_id AND f.name = 'co2 g_per_kwh ' || t.kind
WHERE t.run_id = (SELECT MAX(run_id) FROM run) AND t.reason IN ('local trade', 'import from the grid')
GROUP BY t.kind
ORDER BY t.kind;

-- How much energy went into each area, and how much of it reached no meter (losses, Wh)?
SELECT a.mlmd, a.energy_wh AS into_area_wh, m.metered_wh, a.energy_wh - m.metered_wh AS losses_wh
FROM (SELECT mlmd, energy_wh FROM area_load l
      WHERE run_id = (SELECT MAX(run_id) FROM run)
        AND interval_end_ms = (SELECT MAX(interval_end_ms) FROM area_load k
                               WHERE k.run_id = l.run_id AND k.mlmd = l.mlmd)) a
JOIN (SELECT p.mlmd, CAST(SUM(r.import_wh - r.export_solar_wh - r.export_battery_wh) AS BIGINT) AS metered_wh
      FROM reading r
      JOIN participant p ON p.run_id = r.run_id AND p.participant_id = r.participant_id
      WHERE r.run_id = (SELECT MAX(run_id) FROM run)
        AND r.interval_end_ms = (SELECT MAX(interval_end_ms) FROM reading k
                                 WHERE k.run_id = r.run_id AND k.participant_id = r.participant_id)
      GROUP BY p.mlmd) m ON m.mlmd = a.mlmd
ORDER BY a.mlmd;

-- How many minutes was each home without supply?
SELECT p.name, CAST(COALESCE(SUM(o.minutes), 0) AS BIGINT) AS minutes
FROM participant p LEFT JOIN outage o ON o.run_id = p.run_id AND o.participant_id = p.participant_id
WHERE p.run_id = (SELECT MAX(run_id) FROM run) AND p.kind = 'home'
GROUP BY p.name
ORDER BY minutes DESC, p.name;

-- How fairly is the local energy shared among those who received any (Jain's index, permille)?
SELECT cluster, COUNT(*) AS members,
       CAST(SUM(wh) AS BIGINT) * CAST(SUM(wh) AS BIGINT) * 1000
         / NULLIF(COUNT(*) * CAST(SUM(wh * wh) AS BIGINT), 0) AS jain_permille
FROM (SELECT cluster, buyer_id, CAST(SUM(energy_wh) AS BIGINT) AS wh
      FROM trade
      WHERE run_id = (SELECT MAX(run_id) FROM run) AND reason = 'local trade'
      GROUP BY cluster, buyer_id) received
GROUP BY cluster
ORDER BY cluster;

-- What were the lowest and highest price of each type in each hour (micro-EUR/kWh)?
SELECT cluster, kind, start_ms / 3600000 AS hour,
       MIN(micro_eur_per_kwh) AS lowest, MAX(micro_eur_per_kwh) AS highest
FROM price
WHERE run_id = (SELECT MAX(run_id) FROM run)
GROUP BY cluster, kind, start_ms / 3600000
ORDER BY cluster, kind, hour;

-- How far off were the forecasts of demand and of each type of supply, and how far off would the slot before
-- have been (Wh and permille of it)?
SELECT f.cluster, f.quantity, COUNT(*) AS slots,
       CAST(SUM(ABS(f.expected_wh - a.last_wh)) AS BIGINT) AS error_wh,
       CAST(SUM(ABS(f.last_wh - a.last_wh)) AS BIGINT) AS naive_error_wh,
       CAST(SUM(ABS(f.expected_wh - a.last_wh)) AS BIGINT) * 1000
         / NULLIF(CAST(SUM(ABS(f.last_wh - a.last_wh)) AS BIGINT), 0) AS permille
FROM forecast f
JOIN forecast a ON a.run_id = f.run_id AND a.cluster = f.cluster AND a.quantity = f.quantity AND a.slot = f.slot + 1
WHERE f.run_id = (SELECT MAX(run_id) FROM run)
GROUP BY f.cluster, f.quantity
HAVING MAX(f.expected_wh) > 0 OR MAX(a.last_wh) > 0
ORDER BY f.cluster, f.quantity;

-- How often did what happen, and when first and last (ms)?
SELECT kind, COUNT(*) AS times, MIN(time_ms) AS first_ms, MAX(time_ms) AS last_ms
FROM event
WHERE run_id = (SELECT MAX(run_id) FROM run)
GROUP BY kind
ORDER BY kind;
