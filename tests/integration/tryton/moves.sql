-- A small set of books, every pitfall once. Moves and lines are numbered so that the test can tell them.

-- 1: an invoice, referred to by the billing system's number; 2: the other company, the same number
INSERT INTO account_move VALUES
(1, '0001', 1, 1, 1, '2026-10-05', '2026-10-06', 'posted', NULL, 'account.invoice,1'),
(2, '0001', 2, 1, 1, '2026-10-05', '2026-10-06', 'posted', 'INV-77', NULL);
INSERT INTO account_invoice VALUES
(1, '2026/1', 'INV-42', '2026-10-05', NULL, 1, 'out', 'posted');
INSERT INTO account_move_line VALUES
(101, 1, 2, 120.00, 0, NULL, NULL, NULL, NULL, NULL, NULL),
(102, 1, 3, 0, 120.00, NULL, NULL, NULL, 'the line''s own words', NULL, NULL),
(103, 2, 6, 99.99, 0, NULL, NULL, NULL, NULL, NULL, NULL),
(104, 2, 7, 0, 99.99, NULL, NULL, NULL, '', NULL, NULL);

-- 3: a draft without a number
INSERT INTO account_move VALUES
(3, NULL, 1, 1, 1, '2026-10-05', NULL, 'draft', 'not yet', NULL);
INSERT INTO account_move_line VALUES
(105, 3, 2, 7.00, 0, NULL, NULL, NULL, NULL, NULL, NULL),
(106, 3, 3, 0, 7.00, NULL, NULL, NULL, NULL, NULL, NULL);

-- 4: cancelled with debit and credit swapped by 5; 6: cancelled with both negative by 7
INSERT INTO account_move VALUES
(4, '0004', 1, 1, 1, '2026-10-05', '2026-10-05', 'posted', 'wrong', NULL),
(5, '0005', 1, 1, 1, '2026-10-05', '2026-10-05', 'posted', 'wrong', 'account.move,4'),
(6, '0006', 2, 1, 1, '2026-10-05', '2026-10-05', 'posted', 'falsch', NULL),
(7, '0007', 2, 1, 1, '2026-10-05', '2026-10-05', 'posted', 'falsch', 'account.move,6');
INSERT INTO account_move_line VALUES
(107, 4, 2, 10.01, 0, NULL, NULL, NULL, NULL, NULL, NULL),
(108, 4, 3, 0, 10.01, NULL, NULL, NULL, NULL, NULL, NULL),
(109, 5, 2, 0, 10.01, NULL, NULL, NULL, NULL, NULL, NULL),
(110, 5, 3, 10.01, 0, NULL, NULL, NULL, NULL, NULL, NULL),
(111, 6, 6, 20.02, 0, NULL, NULL, NULL, NULL, NULL, NULL),
(112, 6, 7, 0, 20.02, NULL, NULL, NULL, NULL, NULL, NULL),
(113, 7, 6, -20.02, 0, NULL, NULL, NULL, NULL, NULL, NULL),
(114, 7, 7, 0, -20.02, NULL, NULL, NULL, NULL, NULL, NULL);

-- 8: a bank statement's move, two of its lines in one move; 9: of one statement line, in yen
INSERT INTO account_move VALUES
(8, '0008', 1, 1, 2, '2026-10-05', '2026-10-05', 'posted', NULL, 'account.statement,1'),
(9, '0009', 2, 1, 2, '2026-10-05', '2026-10-05', 'posted', '', 'account.statement,2');
INSERT INTO account_statement_line VALUES
(1, 'PSP-A', NULL, 50.00, 8),
(2, 'PSP-B', 'second', 30.00, 8),
(3, '', 'PSP-C', 160.00, 9);
INSERT INTO account_move_line VALUES
(115, 8, 1, 80.00, 0, NULL, NULL, NULL, NULL, NULL, NULL),
(116, 8, 2, 0, 50.00, NULL, NULL, NULL, NULL, 'account.statement.line,1', NULL),
(117, 8, 2, 0, 30.00, NULL, NULL, NULL, NULL, 'account.statement.line,2', NULL),
(118, 9, 5, 160.00, 0, 3, 26000, NULL, NULL, NULL, NULL),
(119, 9, 6, 0, 160.00, 3, -26000, NULL, NULL, 'account.statement.line,3', NULL);

-- 10: the next day, an account without a code, an origin that is no move; 11: dated in another period
INSERT INTO account_move VALUES
(10, '0010', 1, 1, 3, '2026-10-06', '2026-10-06', 'posted', 'M', 'account.move,'),
(11, '0011', 1, 2, 3, '2026-10-06', '2026-11-02', 'posted', 'FX', 'account.move,-1');
INSERT INTO account_move_line VALUES
(120, 10, 4, 1.00, 0, 4, 0.80, NULL, NULL, NULL, NULL),
(121, 10, 1, 0, 1.00, 4, -0.80, NULL, NULL, NULL, NULL),
(122, 11, 1, 0, 0, 2, 0, NULL, NULL, NULL, NULL),
(123, 11, 4, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL);
