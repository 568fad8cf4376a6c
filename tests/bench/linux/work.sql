create table item(id integer primary key, word text, size integer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
    insert into item select i, 'word' || (i * 7919 % 1009), i * 31 % 4093 from n;
create index item_word on item(word);
select word, count(*), sum(size) from item group by word order by 3 desc limit 5;
update item set size = size + 1 where word like 'word1%';
select count(*) from item a join item b on a.word = b.word where a.size < 100;
